//! Errors in a let program, with diagnostics that say what would mend them.

use super::names::MAX_VISIBLE;
use super::parse::MAX_NESTING;
use super::token::KEYWORDS;
use crate::lang::parse::MAX_CELLS;
use crate::lang::{Diagnostic, Source, Span};
use crate::plural::count;

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct LetError {
    /// What is wrong.
    pub kind: LetErrorKind,
    /// Its position.
    pub span: Span,
}

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LetErrorKind {
    /// A byte that is not valid UTF-8.
    #[error("the text is not valid UTF-8")]
    NotUtf8,
    /// The text is longer than spans can represent.
    #[error("the text is longer than {} bytes", Source::MAX_BYTES)]
    TooLong,
    /// A token that cannot continue the text.
    #[error("expected {expected}")]
    Unexpected {
        /// What could continue it.
        expected: &'static str,
    },
    /// The text ends too early.
    #[error("the text ends, but {expected} is missing")]
    UnexpectedEnd {
        /// What could continue it.
        expected: &'static str,
    },
    /// A literal that does not fit in 64 bits.
    #[error("literal out of range")]
    LiteralOutOfRange,
    /// `0x` without digits.
    #[error("`0x` without digits")]
    NoDigits,
    /// A character of a name directly behind a literal.
    #[error("a literal and a name need a space between them")]
    GluedToLiteral,
    /// A comparison of the result of a comparison.
    #[error("comparisons do not chain")]
    ChainedComparison,
    /// Too many things nested in one another.
    #[error("{} {} is nested too deep", Nested::article(*.0), Nested::name(*.0))]
    TooDeep(Nested),
    /// A name that is not declared.
    #[error("unknown {} `{name}`", what.name())]
    Unknown {
        /// What it is used as.
        what: What,
        /// The name.
        name: String,
        /// The nearest name of this kind.
        nearest: Option<String>,
    },
    /// A name that is declared as something else.
    #[error("`{name}` is {}, not {}", found.with_article(), wanted.with_article())]
    WrongUse {
        /// The name.
        name: String,
        /// What it is used as.
        wanted: What,
        /// What it is.
        found: What,
        /// Where it is declared.
        declared: Span,
    },
    /// A call with the wrong number of arguments.
    #[error("`{name}` takes {}, but {given} {} given", count(*expected, "argument"), if *given == 1 { "is" } else { "are" })]
    Arguments {
        /// The function.
        name: String,
        /// How many it takes.
        expected: usize,
        /// How many are given.
        given: usize,
        /// Where it is defined.
        declared: Span,
    },
    /// A name that is declared twice.
    #[error("`{name}` is declared twice")]
    Twice {
        /// The name.
        name: String,
        /// The first declaration.
        first: Span,
    },
    /// An assignment to a constant, a function or a whole array.
    #[error("`{name}` is {} and cannot be assigned", found.with_article())]
    NotAssignable {
        /// The name.
        name: String,
        /// What it is.
        found: What,
        /// Where it is declared.
        declared: Span,
    },
    /// `break` outside of a loop.
    #[error("`break` outside of a `while` loop")]
    BreakOutsideLoop,
    /// A statement behind one that ends its block.
    #[error("unreachable statement")]
    Unreachable {
        /// The statement before it.
        after: Span,
    },
    /// A function whose end can be reached.
    #[error("the end of `{name}` can be reached without a `return`")]
    MissingReturn {
        /// The function.
        name: String,
    },
    /// The size of an array.
    #[error("an array has 1 to {MAX_CELLS} cells")]
    Size,
    /// More cells in all arrays together.
    #[error("more than {MAX_CELLS} cells in all arrays")]
    TooManyCells,
    /// Too many variables are visible.
    #[error("more than {MAX_VISIBLE} variables and parameters are visible")]
    TooManyVariables,
    /// There is no function `main`.
    #[error("there is no function `main`")]
    NoMain,
}

/// What can be nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// A block.
    Block,
    /// A parenthesis.
    Parenthesis,
    /// The index of an element.
    Index,
    /// The arguments of a call.
    Arguments,
    /// A unary operator.
    Unary,
    /// `else if`.
    ElseIf,
}

impl Nested {
    fn article(nested: Nested) -> &'static str {
        if matches!(nested, Nested::Index | Nested::Arguments | Nested::ElseIf) { "an" } else { "a" }
    }

    fn name(nested: Nested) -> &'static str {
        match nested {
            Nested::Block => "block",
            Nested::Parenthesis => "parenthesis",
            Nested::Index => "index",
            Nested::Arguments => "argument list",
            Nested::Unary => "unary operator",
            Nested::ElseIf => "`else if`",
        }
    }
}

/// What a name can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A variable or a parameter.
    Variable,
    /// A constant.
    Constant,
    /// An array.
    Array,
    /// A function.
    Function,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Variable => "variable",
            What::Constant => "constant",
            What::Array => "array",
            What::Function => "function",
        }
    }

    fn with_article(self) -> &'static str {
        match self {
            What::Variable => "a variable",
            What::Constant => "a constant",
            What::Array => "an array",
            What::Function => "a function",
        }
    }
}

impl LetError {
    /// Whether it is a syntax error; the others concern names and statements.
    pub fn is_syntax(&self) -> bool {
        use LetErrorKind as Kind;
        matches!(
            self.kind,
            Kind::NotUtf8
                | Kind::TooLong
                | Kind::Unexpected { .. }
                | Kind::UnexpectedEnd { .. }
                | Kind::LiteralOutOfRange
                | Kind::NoDigits
                | Kind::GluedToLiteral
                | Kind::ChainedComparison
                | Kind::TooDeep(_)
        )
    }

    /// The message for the program's author.
    pub fn diagnostic(&self, source: &Source) -> Diagnostic {
        use LetErrorKind as Kind;
        let declared = |span: &Span, what: &str| Some((*span, format!("{what} here")));
        let (label, note, help): (String, Option<(Span, String)>, Option<String>) = match &self.kind {
            Kind::NotUtf8 => ("invalid UTF-8 byte".into(), None, Some("save the file as UTF-8".into())),
            Kind::TooLong | Kind::TooManyVariables => (String::new(), None, None),
            Kind::Unexpected { expected } => {
                let found = source.text(self.span);
                let help = KEYWORDS
                    .contains(&found.as_str())
                    .then(|| format!("`{found}` is a keyword; it cannot be a name"))
                    .filter(|_| expected.contains("name"));
                (format!("expected {expected}"), None, help)
            }
            Kind::UnexpectedEnd { expected } => (format!("expected {expected}"), None, None),
            Kind::LiteralOutOfRange => (
                "does not fit in 64 bits".into(),
                None,
                Some(format!(
                    "decimal literals range up to {}, hexadecimal literals up to 0xffffffffffffffff; {} can be written",
                    i64::MAX,
                    i64::MIN
                )),
            ),
            Kind::NoDigits => ("needs hexadecimal digits".into(), None, None),
            Kind::GluedToLiteral => ("directly behind a literal".into(), None, None),
            Kind::ChainedComparison => (
                "compares the result of a comparison".into(),
                None,
                Some("use `&&` for both comparisons, or parentheses for one of them".into()),
            ),
            Kind::TooDeep(_) => (
                format!("at most {MAX_NESTING} can be nested"),
                None,
                Some("move a part into a function or a variable".into()),
            ),
            Kind::Unknown { what, nearest, .. } => {
                let help = match (nearest, what) {
                    (Some(nearest), _) => Some(format!("did you mean `{nearest}`?")),
                    (None, What::Variable) => Some("declare it first, as in `let name = 0;`".into()),
                    (None, _) => None,
                };
                ("not declared here".into(), None, help)
            }
            Kind::WrongUse { wanted, found, declared: span, .. } => (
                format!("used as {}", wanted.with_article()),
                declared(span, &format!("{} is declared", found.with_article())),
                None,
            ),
            Kind::Arguments { declared: span, .. } => {
                ("wrong number of arguments".into(), declared(span, "the function is defined"), None)
            }
            Kind::Twice { first, .. } => ("declared again".into(), declared(first, "the first declaration is"), None),
            Kind::NotAssignable { found, declared: span, .. } => {
                let help = (*found == What::Array).then(|| "assign to an element, as in `name[0] = 1;`".to_owned());
                ("cannot be assigned".into(), declared(span, "it is declared"), help)
            }
            Kind::BreakOutsideLoop => ("there is no loop to end".into(), None, None),
            Kind::Unreachable { after } => {
                ("cannot be reached".into(), Some((*after, "nothing continues behind this statement".into())), None)
            }
            Kind::MissingReturn { .. } => (
                "no value is returned here".into(),
                None,
                Some("end the function with `return`, as in `return 0;`".into()),
            ),
            Kind::Size => ("not the size of an array".into(), None, None),
            Kind::TooManyCells => ("exceeds the memory".into(), None, None),
            Kind::NoMain => (
                String::new(),
                None,
                Some("a program begins with a call of `main`, as in `fn main(x) { return x; }`".into()),
            ),
        };
        Diagnostic { title: self.to_string(), label, note, help, span: self.span }
    }
}
