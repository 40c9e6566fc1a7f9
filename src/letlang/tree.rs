//! The syntax tree of a let program.
//!
//! Expressions are flat: all items of all expressions are in one list, in the order in which they are evaluated. So a chain of any
//! number of operators needs no recursion.

use std::ops::Range;

use crate::lang::Span;

/// A program as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The functions, arrays and constants, in reading order.
    pub globals: Vec<Global>,
    /// The items of all expressions.
    pub items: Vec<Item>,
    /// The last token of the text; the first place if there is none.
    pub last: Span,
}

/// A function, an array or a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Global {
    /// `fn name(params) body`.
    Function(Function),
    /// `array name[size];`.
    Array {
        /// The name.
        name: Span,
        /// The size.
        size: Size,
        /// The position of the size.
        at: Span,
    },
    /// `const name = value;`.
    Constant {
        /// The name.
        name: Span,
        /// The value.
        value: i64,
    },
}

/// The size of an array as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A literal.
    Literal(i64),
    /// The name of a constant.
    Name,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name.
    pub name: Span,
    /// The names of the parameters.
    pub params: Vec<Span>,
    /// The body.
    pub body: Block,
}

/// `{ statements }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The statements.
    pub statements: Vec<Statement>,
    /// The `}`.
    pub close: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it does.
    pub kind: StatementKind,
    /// Its first token.
    pub span: Span,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// `let name = value;`.
    Let {
        /// The name.
        name: Span,
        /// The value.
        value: Expression,
    },
    /// `place = value;`, or `place op= value;` with the operator and its position.
    Assign {
        /// The variable, or the index of the element.
        place: Place,
        /// The operator.
        op: Option<(Binary, Span)>,
        /// The value.
        value: Expression,
    },
    /// `return value;`.
    Return(Expression),
    /// `break;`.
    Break,
    /// `if condition then else otherwise`.
    If {
        /// The condition.
        condition: Expression,
        /// The first branch.
        then: Block,
        /// The other branch. That of `else if` has only this statement.
        otherwise: Option<Block>,
    },
    /// `while condition body`.
    While {
        /// The condition.
        condition: Expression,
        /// The body.
        body: Block,
    },
    /// A call whose value is dropped.
    Call(Expression),
    /// A block.
    Block(Block),
}

impl StatementKind {
    /// Whether nothing can follow it.
    pub fn closes(&self) -> bool {
        match self {
            StatementKind::Return(_) | StatementKind::Break => true,
            StatementKind::Block(block) => block.closes(),
            StatementKind::If { then, otherwise: Some(otherwise), .. } => then.closes() && otherwise.closes(),
            StatementKind::If { otherwise: None, .. }
            | StatementKind::Let { .. }
            | StatementKind::Assign { .. }
            | StatementKind::While { .. }
            | StatementKind::Call(_) => false,
        }
    }
}

impl Block {
    /// Whether its last statement closes.
    pub fn closes(&self) -> bool {
        self.statements.last().is_some_and(|last| last.kind.closes())
    }
}

/// What is assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name: an item that is only a [`ItemKind::Name`] or, with an index, a [`ItemKind::Element`].
    pub name: usize,
    /// The index of the element of an array.
    pub index: Option<Expression>,
}

/// The items of an expression, as indices of [`Tree::items`].
pub type Expression = Range<usize>;

/// A part of an expression. Its operands are the values of the items before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it does.
    pub kind: ItemKind,
    /// Its position: that of an operator or a name.
    pub span: Span,
}

/// What an item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A literal.
    Literal(i64),
    /// A variable or a constant.
    Name,
    /// The element of an array; its index comes before it.
    Element,
    /// A call with this number of arguments, which come before it.
    Call {
        /// The number.
        arguments: usize,
    },
    /// An operator with one operand.
    Unary(Unary),
    /// An operator with two operands.
    Binary(Binary),
    /// `&&`. The left operand comes before it, and the right operand up to the item `end` after it.
    And {
        /// The item after the right operand.
        end: usize,
    },
    /// `||`, in the same way.
    Or {
        /// The item after the right operand.
        end: usize,
    },
}

/// An operator with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `-`, wrapping.
    Negate,
    /// `!`: 1 for zero, or else 0.
    Not,
    /// `~`.
    Invert,
}

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `|`.
    Or,
    /// `^`.
    Xor,
    /// `&`.
    And,
    /// `<<`.
    ShiftLeft,
    /// `>>`, arithmetic.
    ShiftRight,
    /// `>>>`, logical.
    ShiftRightLogical,
    /// `+`, wrapping.
    Add,
    /// `-`, wrapping.
    Subtract,
    /// `*`, wrapping.
    Multiply,
    /// `/`, truncated toward zero.
    Divide,
    /// `%`, the remainder of that division.
    Remainder,
}

/// Every binary operator with its spelling and its level, which is greater for one that binds tighter.
pub const BINARY: [(&str, Binary, u8); 17] = [
    ("==", Binary::Equal, 3),
    ("!=", Binary::NotEqual, 3),
    ("<", Binary::Less, 3),
    ("<=", Binary::LessOrEqual, 3),
    (">", Binary::Greater, 3),
    (">=", Binary::GreaterOrEqual, 3),
    ("|", Binary::Or, 4),
    ("^", Binary::Xor, 5),
    ("&", Binary::And, 6),
    ("<<", Binary::ShiftLeft, 7),
    (">>", Binary::ShiftRight, 7),
    (">>>", Binary::ShiftRightLogical, 7),
    ("+", Binary::Add, 8),
    ("-", Binary::Subtract, 8),
    ("*", Binary::Multiply, 9),
    ("/", Binary::Divide, 9),
    ("%", Binary::Remainder, 9),
];

/// The level of comparisons, which do not chain.
pub const COMPARISONS: u8 = 3;

impl Binary {
    /// Whether it compares, so that its value is 0 or 1.
    pub fn is_comparison(self) -> bool {
        BINARY.iter().any(|(_, binary, level)| *binary == self && *level == COMPARISONS)
    }
}
