//! The definition of the language, implemented a second time: directly from docs/LANGUAGE.md, with none of the crate's code and no
//! regard for speed. It judges all programs of few words, and random ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::binary::size;
use jitduel::engine::Run;
use jitduel::lang::words::spellings;
use jitduel::lang::{Ast, Fault, NodeKind, Program, Source, SyntaxErrorKind, parse, verify};
use jitduel::oracle::Oracle;
use jitduel::outcome::{Outcome, TrapKind};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The error in a program: its kind and where it is reported, as an offset in bytes.
type Wrong = (&'static str, usize);

// Syntax.

/// A word, or what stands in parentheses: a comment or an effect. There is no text if the `)` is missing.
#[derive(Clone, Copy)]
enum Token<'a> {
    Word(&'a str),
    Parentheses(Option<&'a str>),
}

const WHITE_SPACE: [char; 5] = [' ', '\t', '\n', '\r', '\x0c'];

/// The tokens of a text with their offsets. Comments to the end of the line are left out.
fn tokens(text: &str) -> Vec<(Token<'_>, usize)> {
    let mut tokens = Vec::new();
    let mut next = 0;
    while let Some(space) = text[next..].find(|c| !WHITE_SPACE.contains(&c)) {
        let at = next + space;
        let end = text[at..].find(WHITE_SPACE).map_or(text.len(), |length| at + length);
        next = match &text[at..end] {
            "\\" => text[end..].find('\n').map_or(text.len(), |length| end + length),
            "(" => {
                let inside = text[end..].find(')').map(|length| &text[end..end + length]);
                tokens.push((Token::Parentheses(inside), at));
                inside.map_or(text.len(), |inside| end + inside.len() + 1)
            }
            word => {
                tokens.push((Token::Word(word), at));
                end
            }
        };
    }
    tokens
}

/// A word of the language that is not part of its syntax: the numbers of values that it pops and pushes.
fn own_effect(word: &str) -> Option<(u64, u64)> {
    Some(match word {
        "+" | "-" | "*" | "/" | "mod" | "and" | "or" | "xor" | "lshift" | "rshift" | "arshift" => (2, 1),
        "=" | "<>" | "<" | ">" | "<=" | ">=" | "u<" | "min" | "max" => (2, 1),
        "negate" | "invert" | "abs" | "@" => (1, 1),
        "!" => (2, 0),
        "dup" => (1, 2),
        "drop" => (1, 0),
        "swap" => (2, 2),
        "over" => (2, 3),
        "rot" => (3, 3),
        "nip" => (2, 1),
        "tuck" => (2, 3),
        _ => return None,
    })
}

/// The value of a word with the form of a literal; `Some(None)` if it is out of range.
fn literal(word: &str) -> Option<Option<i64>> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
        return Some(word.parse().ok());
    }
    let digits = word.strip_prefix("0x")?;
    let is_hexadecimal = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    is_hexadecimal.then(|| u64::from_str_radix(digits, 16).ok().map(|value| value as i64))
}

/// "NAME may be any word except: a word of the language; anything with the form of a literal, in range or not."
fn may_be_name(word: &str) -> bool {
    const SYNTAX: [&str; 15] =
        ["pick", "put", "times", "if", "else", "while", "do", "end", "exit", "leave", ":", ";", "array", ")", "--"];
    own_effect(word).is_none() && literal(word).is_none() && !SYNTAX.contains(&word)
}

/// A word with its effect, the use of a name, or a loop or branch; `at` is the offset of the word.
enum Tree<'a> {
    Word { pops: u64, pushes: u64, at: usize },
    Name { name: &'a str, at: usize },
    Times { body: Vec<Tree<'a>>, at: usize },
    If { then: Vec<Tree<'a>>, otherwise: Vec<Tree<'a>>, at: usize },
    While { cond: Vec<Tree<'a>>, body: Vec<Tree<'a>>, at: usize },
    Leave { at: usize },
    Exit { at: usize },
}

struct Definition<'a> {
    name: &'a str,
    at: usize,
    params: u64,
    results: u64,
    body: Vec<Tree<'a>>,
}

/// A program that follows the rules of syntax.
struct Text<'a> {
    main: Vec<Tree<'a>>,
    definitions: Vec<Definition<'a>>,
    /// The arrays: name, first cell and number of cells.
    arrays: Vec<(&'a str, u64, u64)>,
}

/// "`exit` and `leave` are closing words. An `if` with an ELSE is a closing word itself if both of its branches end with one."
fn closing(trees: &[Tree]) -> Option<usize> {
    match trees.last()? {
        Tree::Leave { at } | Tree::Exit { at } => Some(*at),
        Tree::If { then, otherwise, at } => closing(then).and(closing(otherwise)).map(|_| *at),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Main,
    Definition,
    Times,
    Then,
    Else,
    Cond,
    Body,
}

struct Reader<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    next: usize,
    /// The words that may be used as names.
    names: BTreeSet<&'a str>,
    /// The names that are defined so far.
    defined: Vec<&'a str>,
    definitions: Vec<Definition<'a>>,
    arrays: Vec<(&'a str, u64, u64)>,
}

impl<'a> Reader<'a> {
    fn read(text: &'a str) -> Result<Text<'a>, Wrong> {
        let tokens = tokens(text);
        let words: Vec<&str> = tokens.iter().filter_map(|(token, _)| token.word()).collect();
        let follows = |pair: &&[&'a str]| matches!(pair[0], ":" | "array") && may_be_name(pair[1]);
        let names = words.windows(2).filter(follows).map(|pair| pair[1]).collect();
        let (defined, definitions, arrays) = Default::default();
        let mut reader = Reader { tokens, next: 0, names, defined, definitions, arrays };
        let (main, _) = reader.body(Inside::Main, false, 0)?;
        Ok(Text { main, definitions: reader.definitions, arrays: reader.arrays })
    }

    /// The next word and its offset, without comments. `None` at the end, or at a `(` without `)`.
    fn word(&mut self) -> Option<(&'a str, usize)> {
        while let Some((token, at)) = self.tokens.get(self.next) {
            match token {
                Token::Parentheses(None) => return None,
                Token::Parentheses(Some(_)) => self.next += 1,
                Token::Word(word) => {
                    self.next += 1;
                    return Some((word, *at));
                }
            }
        }
        None
    }

    /// The fault that the end of the text shows: a `(` without `)` before all others.
    fn at_end<T>(&self, fault: Wrong) -> Result<T, Wrong> {
        match self.tokens.get(self.next) {
            Some((Token::Parentheses(None), at)) => Err(("unclosed", *at)),
            _ => Err(fault),
        }
    }

    /// The value of the literal directly before the word that was read last: nothing but comments is between them.
    fn literal_before(&self) -> Option<i64> {
        let mut before = self.tokens[..self.next - 1].iter().rev().map(|(token, _)| token);
        literal(before.find_map(Token::word)?)?
    }

    /// The name after a `:` or `array`, and its offset.
    fn name(&mut self, at: usize) -> Result<(&'a str, usize), Wrong> {
        let Some((name, name_at)) = self.word() else { return self.at_end(("no name", at)) };
        if !may_be_name(name) || self.defined.contains(&name) {
            return Err(("name not allowed", name_at));
        }
        Ok((name, name_at))
    }

    /// What follows a `:`.
    fn definition(&mut self, at: usize) -> Result<(), Wrong> {
        let (name, name_at) = self.name(at)?;
        let Some(&(Token::Parentheses(inside), effect_at)) = self.tokens.get(self.next) else {
            return Err(("no effect", name_at));
        };
        let Some(inside) = inside else { return Err(("unclosed", effect_at)) };
        self.next += 1;
        let words: Vec<&str> = inside.split(WHITE_SPACE).filter(|word| !word.is_empty()).collect();
        let dashes: Vec<usize> = (0..words.len()).filter(|index| words[*index] == "--").collect();
        let [dashes] = dashes[..] else { return Err(("dashes", effect_at)) };
        self.defined.push(name);
        let (body, _) = self.body(Inside::Definition, false, at)?;
        let (params, results) = (dashes as u64, (words.len() - dashes - 1) as u64);
        self.definitions.push(Definition { name, at: name_at, params, results, body });
        Ok(())
    }

    /// An `array` and what follows it.
    fn array(&mut self, at: usize) -> Result<(), Wrong> {
        let cells = self.literal_before().filter(|cells| *cells >= 1).ok_or(("without literal", at))? as u64;
        let start = self.arrays.last().map_or(0, |(_, start, cells)| start + cells);
        if start + cells > 16_777_216 {
            return Err(("too many cells", at));
        }
        let (name, _) = self.name(at)?;
        self.defined.push(name);
        self.arrays.push((name, start, cells));
        Ok(())
    }

    /// Reads the words of a body opened at `opener` and the word that closes it. `in_body` says whether it is in the BODY, and
    /// not in the COND, of the innermost loop around it.
    fn body(&mut self, inside: Inside, in_body: bool, opener: usize) -> Result<(Vec<Tree<'a>>, &'a str), Wrong> {
        let mut trees = Vec::new();
        loop {
            let next = self.word();
            if let Some(closing) = closing(&trees)
                && !matches!(next, Some(("end" | "else" | ";", _)))
            {
                return Err(("not last", closing));
            }
            let Some((word, at)) = next else {
                match (inside, self.tokens.len() > self.next) {
                    (Inside::Main, false) => return Ok((trees, "")),
                    (Inside::Definition, _) => return self.at_end(("missing ;", opener)),
                    _ => return self.at_end(("missing end", opener)),
                }
            };
            let tree = match word {
                "end" if matches!(inside, Inside::Main | Inside::Definition) => return Err(("stray end", at)),
                "end" if inside == Inside::Cond => return Err(("missing do", at)),
                "end" => return Ok((trees, "end")),
                "else" if inside == Inside::Then => return Ok((trees, "else")),
                "else" => return Err(("stray else", at)),
                "do" if inside == Inside::Cond => return Ok((trees, "do")),
                "do" => return Err(("stray do", at)),
                ";" if inside == Inside::Definition => return Ok((trees, ";")),
                ";" => return Err(("stray ;", at)),
                ":" | "array" if inside != Inside::Main => return Err(("not at the top level", at)),
                ":" => {
                    self.definition(at)?;
                    continue;
                }
                "array" => {
                    self.array(at)?;
                    // The literal before it is not part of the program.
                    trees.pop();
                    continue;
                }
                "times" => Tree::Times { body: self.body(Inside::Times, true, at)?.0, at },
                "if" => {
                    let (then, closer) = self.body(Inside::Then, in_body, at)?;
                    let divided = closer == "else";
                    let otherwise = if divided { self.body(Inside::Else, in_body, at)?.0 } else { Vec::new() };
                    Tree::If { then, otherwise, at }
                }
                "while" => {
                    let cond = self.body(Inside::Cond, false, at)?.0;
                    Tree::While { cond, body: self.body(Inside::Body, true, at)?.0, at }
                }
                "leave" if !in_body => return Err(("leave outside", at)),
                "leave" => Tree::Leave { at },
                "exit" => Tree::Exit { at },
                "pick" | "put" => {
                    let depth = self.literal_before().filter(|depth| *depth >= 0).ok_or(("without literal", at))?;
                    trees.pop();
                    let (low, high) = (depth as u64 + 1, depth as u64 + 2);
                    let (pops, pushes) = if word == "pick" { (low, high) } else { (high, low) };
                    Tree::Word { pops, pushes, at }
                }
                _ => match (own_effect(word), literal(word)) {
                    (Some((pops, pushes)), _) => Tree::Word { pops, pushes, at },
                    (None, Some(Some(_))) => Tree::Word { pops: 0, pushes: 1, at },
                    (None, Some(None)) => return Err(("out of range", at)),
                    (None, None) if self.names.contains(word) => Tree::Name { name: word, at },
                    (None, None) => return Err(("unknown word", at)),
                },
            };
            trees.push(tree);
        }
    }
}

impl<'a> Token<'a> {
    fn word(&self) -> Option<&'a str> {
        match self {
            Token::Word(word) => Some(word),
            Token::Parentheses(_) => None,
        }
    }
}

// Depth.

/// The least and the greatest depth; `None` means unbounded.
type Depth = (u64, Option<u64>);

fn exactly(depth: u64) -> Depth {
    (depth, Some(depth))
}

/// The facts about a word from all walks: whether underflow must be checked, and the depths that it can leave.
#[derive(Clone, Copy)]
struct Seen {
    may_underflow: bool,
    greatest: Option<u64>,
}

/// "Where the end's least lies below the entry's, the entry's least becomes 0; where its greatest lies above, the
/// entry's greatest becomes unbounded; only the side that moved."
fn widened(entry: Depth, end: Depth) -> Depth {
    let above = match (end.1, entry.1) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(entry)) => end > entry,
    };
    (if end.0 < entry.0 { 0 } else { entry.0 }, if above { None } else { entry.1 })
}

/// The union of two intervals; "if one end is unreachable, the result is the other".
fn spanned(one: Option<Depth>, other: Option<Depth>) -> Option<Depth> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.zip(other.1).map(|(one, other)| one.max(other)))),
        _ => one.or(other),
    }
}

struct Walk<'a> {
    text: &'a Text<'a>,
    /// The facts about each word: those of the main program, then those of each definition.
    seen: Vec<BTreeMap<usize, Seen>>,
    /// The main program is part 0; the definition with index i is part i + 1.
    part: usize,
    /// In a definition: the number of values that a call leaves.
    results: Option<u64>,
}

impl<'a> Walk<'a> {
    /// Walks all definitions, in reading order, and then the main program. Returns the facts about each part.
    fn all(text: &'a Text<'a>, inputs: usize) -> Result<Vec<BTreeMap<usize, Seen>>, Wrong> {
        let seen = vec![BTreeMap::new(); text.definitions.len() + 1];
        let mut walk = Walk { text, seen, part: 0, results: None };
        for definition in &text.definitions {
            walk.part += 1;
            walk.results = Some(definition.results);
            if let Some(depth) = walk.body(&definition.body, exactly(definition.params), &mut None)? {
                walk.check_results(depth, definition.at)?;
            }
        }
        (walk.part, walk.results) = (0, None);
        walk.body(&text.main, exactly(inputs as u64), &mut None)?;
        Ok(walk.seen)
    }

    fn check_results(&self, depth: Depth, at: usize) -> Result<(), Wrong> {
        match self.results {
            Some(results) if depth != exactly(results) => Err(("wrong effect", at)),
            _ => Ok(()),
        }
    }

    /// "A word that pops p and pushes q needs greatest >= p, else it can never succeed in this walk".
    fn effect(&mut self, (least, greatest): Depth, pops: u64, pushes: u64, at: usize) -> Result<Depth, Wrong> {
        if greatest.is_some_and(|greatest| greatest < pops) {
            return Err(("underflow", at));
        }
        let greatest = greatest.map(|greatest| greatest - pops + pushes);
        let seen = self.seen[self.part].entry(at).or_insert(Seen { may_underflow: false, greatest });
        seen.may_underflow |= least < pops;
        seen.greatest = seen.greatest.zip(greatest).map(|(before, now)| before.max(now));
        Ok((least.max(pops) - pops + pushes, greatest))
    }

    /// The interval at the end; `None` if it is unreachable. `leaves` collects the intervals at the `leave`s of the innermost
    /// loop.
    fn body(&mut self, trees: &[Tree], mut depth: Depth, leaves: &mut Option<Depth>) -> Result<Option<Depth>, Wrong> {
        for tree in trees {
            depth = match tree {
                Tree::Word { pops, pushes, at } => self.effect(depth, *pops, *pushes, *at)?,
                Tree::Name { name, at } => {
                    let called = self.text.definitions.iter().find(|definition| definition.name == *name);
                    let (pops, pushes) = called.map_or((0, 1), |called| (called.params, called.results));
                    self.effect(depth, pops, pushes, *at)?
                }
                Tree::If { then, otherwise, at } => {
                    let entry = self.effect(depth, 1, 0, *at)?;
                    let (then, otherwise) = (self.body(then, entry, leaves)?, self.body(otherwise, entry, leaves)?);
                    let is_exact = |depth: Option<Depth>| depth.is_some_and(|depth| Some(depth.0) == depth.1);
                    if is_exact(then) && is_exact(otherwise) && then != otherwise {
                        return Err(("unbalanced if", *at));
                    }
                    match spanned(then, otherwise) {
                        Some(depth) => depth,
                        None => return Ok(None),
                    }
                }
                Tree::Leave { at } | Tree::Exit { at } => {
                    self.seen[self.part].insert(*at, Seen { may_underflow: false, greatest: Some(0) });
                    if let Tree::Leave { .. } = tree {
                        *leaves = spanned(*leaves, Some(depth));
                    } else {
                        self.check_results(depth, *at)?;
                    }
                    return Ok(None);
                }
                Tree::Times { body, at } => {
                    let mut entry = self.effect(depth, 1, 0, *at)?;
                    loop {
                        let mut left = None;
                        let wide = self.body(body, entry, &mut left)?.map_or(entry, |end| widened(entry, end));
                        if wide == entry {
                            break spanned(Some(entry), left).expect("one is there");
                        }
                        entry = wide;
                    }
                }
                Tree::While { cond, body, at } => {
                    let mut entry = depth;
                    loop {
                        let mut left = None;
                        let flag = self.body(cond, entry, &mut None)?.expect("a COND never ends in a closing word");
                        let leaving = self.effect(flag, 1, 0, *at)?;
                        let wide = self.body(body, leaving, &mut left)?.map_or(entry, |end| widened(entry, end));
                        if wide == entry {
                            break spanned(Some(leaving), left).expect("one is there");
                        }
                        entry = wide;
                    }
                }
            };
        }
        Ok(Some(depth))
    }
}

// Comparison with the front end.

/// The result of the front end for a program, in the terms of [`Wrong`].
fn judged(ast: &Result<Arc<Ast>, jitduel::lang::SyntaxError>, inputs: usize) -> Result<Program, Wrong> {
    use SyntaxErrorKind as Kind;
    let fault = match ast {
        Ok(ast) => match verify(ast, inputs) {
            Ok(program) => return Ok(program),
            Err(rejection) => Fault::from(rejection),
        },
        Err(error) => Fault::from(error.clone()),
    };
    let kind = match &fault {
        Fault::Rejection(_) | Fault::Other(_) => fault.kind(),
        Fault::Syntax(error) => match error.kind {
            Kind::MissingEnd(_) => "missing end",
            Kind::MissingDo => "missing do",
            Kind::MissingSemicolon => "missing ;",
            Kind::Stray { word: "end", .. } => "stray end",
            Kind::Stray { word: "else", .. } => "stray else",
            Kind::Stray { word: "do", .. } => "stray do",
            Kind::Stray { .. } => "stray ;",
            Kind::WithoutLiteral(_) => "without literal",
            Kind::NotLast(_) => "not last",
            Kind::LeaveOutsideLoop => "leave outside",
            Kind::UnknownWord { .. } => "unknown word",
            Kind::LiteralOutOfRange => "out of range",
            Kind::NotTopLevel { .. } => "not at the top level",
            Kind::TooManyCells => "too many cells",
            Kind::WithoutName(_) => "no name",
            Kind::NameNotAllowed { .. } => "name not allowed",
            Kind::WithoutEffect { .. } => "no effect",
            Kind::Dashes { .. } => "dashes",
            Kind::UnclosedComment | Kind::UnclosedEffect => "unclosed",
            Kind::NotUtf8 | Kind::TooLong | Kind::TooDeep => "no fault of these programs",
        },
    };
    Err((kind, fault.span().start as usize))
}

/// Asserts that a verified program has the definitions, arrays, words, facts and frames that the definition says.
fn same(program: &Program, text: &Text, seen: &[BTreeMap<usize, Seen>], source: &str) {
    let ast = program.ast();
    let definitions = ast.definitions().iter().map(|definition| {
        (&*definition.name, definition.span.start as usize, u64::from(definition.params), u64::from(definition.results))
    });
    let expected = text.definitions.iter().map(|of| (of.name, of.at, of.params, of.results));
    assert!(definitions.eq(expected), "{source:?}");
    let arrays = ast.arrays().iter().map(|array| (&*array.name, u64::from(array.start), u64::from(array.cells)));
    assert!(arrays.eq(text.arrays.iter().copied()), "{source:?}");
    // Nodes are in the order of their words, some of which have no effect.
    let bodies = ast.definitions().iter().map(|definition| definition.body.clone());
    for (part, nodes) in std::iter::once(ast.main()).chain(bodies).enumerate() {
        let starts = ast.nodes()[nodes.clone()].iter().map(|node| node.span.start as usize);
        assert!(starts.eq(seen[part].keys().copied()), "{source:?}");
        for (fact, seen) in program.facts()[nodes].iter().zip(seen[part].values()) {
            assert_eq!(fact.may_underflow, seen.may_underflow, "{source:?}");
            for limit in 0..8 {
                let exceeds = seen.greatest.is_none_or(|greatest| greatest > limit);
                assert_eq!(fact.greatest.may_exceed(limit), exceeds, "{source:?}");
            }
        }
    }
    let frames = text.definitions.iter().zip(&seen[1..]).map(|(definition, seen)| {
        let greatest = seen.values().map(|seen| seen.greatest.expect("a frame is finite"));
        greatest.fold(definition.params, u64::max)
    });
    assert!(frames.eq(program.frames().iter().copied()), "{source:?}: {:?}", program.frames());
}

/// Compares the front end with the second implementation, and runs what both accept. Counts the outcomes.
struct Judge {
    oracle: Oracle,
    faults: BTreeMap<&'static str, usize>,
    accepted: usize,
    done: usize,
    trapped: usize,
}

impl Judge {
    fn new() -> Judge {
        let oracle = Oracle::new(&["tree", "bytecode", "jit"]).expect("the engines exist");
        Judge { oracle, faults: BTreeMap::new(), accepted: 0, done: 0, trapped: 0 }
    }

    fn text(&mut self, text: &str, run: Run) {
        let ast = parse(&Source::new("test", text)).map(Arc::new);
        let read = Reader::read(text);
        // A fault in the syntax does not depend on the inputs.
        for inputs in 0..if read.is_ok() { 3 } else { 1 } {
            let expected = read.as_ref().map_err(|wrong| *wrong);
            let expected = expected.and_then(|read| Ok((read, Walk::all(read, inputs)?)));
            match (judged(&ast, inputs), expected) {
                (Ok(program), Ok((read, seen))) => {
                    same(&program, read, &seen, text);
                    self.accepted += 1;
                    self.run(&program, text, Run { inputs: &[2, 1][..inputs], ..run });
                }
                (Err(judged), Err(expected)) if judged == expected => {
                    *self.faults.entry(expected.0).or_default() += 1;
                }
                (judged, expected) => {
                    let (judged, expected) = (judged.map(|_| ()), expected.map(|_| ()));
                    panic!("{text:?} with {inputs} inputs: {judged:?}, by the definition {expected:?}")
                }
            }
        }
    }

    fn run(&mut self, program: &Program, text: &str, run: Run) {
        // Each run of a program with many cells takes as long as a thousand others.
        let fuels = if program.ast().cells() > 1 << 20 { &[7][..] } else { &[0, 1, 7] };
        for &fuel in fuels {
            let run = Run { fuel: Some(fuel), ..run };
            let answers = self.oracle.run(program, run).expect("memory");
            assert_eq!(answers.len(), 3, "{:?}", self.oracle.skipped());
            for answer in &answers[1..] {
                assert_eq!(answer.outcome, answers[0].outcome, "{text:?}, {run:?}: {}", answer.engine);
            }
            match answers[0].outcome {
                Outcome::Done(_) => self.done += 1,
                Outcome::Trap(trap) => {
                    self.trapped += 1;
                    // The verifier must not have excluded a trap that the referee met.
                    let ast = program.ast();
                    let index = ast.nodes().iter().position(|node| node.span == trap.at).expect("a word");
                    let fact = program.facts()[index];
                    let is_in_main = ast.main().contains(&index);
                    // What a call needs beyond what it leaves.
                    let more = match ast.nodes()[index].kind {
                        NodeKind::Call(id) => {
                            Some(program.frames()[id.index()] - u64::from(ast.definition(id).results))
                        }
                        _ => None,
                    };
                    let limit = run.stack_limit as u64;
                    let foreseen = match (trap.kind, more) {
                        (TrapKind::StackUnderflow, _) => fact.may_underflow,
                        (TrapKind::StackOverflow, Some(more)) => {
                            !is_in_main || more > limit || fact.greatest.may_exceed(limit - more)
                        }
                        (TrapKind::StackOverflow, None) => is_in_main && fact.greatest.may_exceed(limit),
                        (TrapKind::CallDepthExceeded, more) => more.is_some(),
                        (TrapKind::OutOfBounds | TrapKind::DivisionByZero | TrapKind::OutOfFuel, _) => true,
                    };
                    assert!(foreseen, "{text:?}, {run:?}: {trap:?}, {fact:?}");
                }
            }
        }
    }

    /// Calls [`Judge::text`] for every sequence of up to `longest` of these parts.
    fn sequences(&mut self, parts: &[&str], longest: usize, run: Run) {
        for length in 0..=longest as u32 {
            for number in 0..parts.len().pow(length) {
                let digits = (0..length).map(|place| number / parts.len().pow(place) % parts.len());
                let words: Vec<_> = digits.map(|digit| parts[digit]).collect();
                self.text(&words.join(" "), run);
            }
        }
        println!("{} accepted, {} done, {} trapped, {:?}", self.accepted, self.done, self.trapped, self.faults);
    }

    /// Asserts that each of these faults was met.
    #[track_caller]
    fn met(&self, faults: &[&str]) {
        for fault in faults {
            assert!(self.faults.contains_key(fault), "{fault}: {:?}", self.faults);
        }
    }
}

const LIMITS: Run = Run { inputs: &[], fuel: None, stack_limit: 3, call_limit: 2 };

#[test]
fn programs_of_up_to_five_words_match_the_definition_and_agree() {
    let words = ["1", "0", "dup", "drop", "+", "swap", "times", "if", "else", "end", "while", "do", "leave", "exit"];
    let mut judge = Judge::new();
    judge.sequences(&words, size("words", 5, 4), LIMITS);
    assert!(judge.done > 1000 && judge.trapped > 100, "{} done, {} trapped", judge.done, judge.trapped);
    judge.met(&["not last", "leave outside", "missing do", "missing end", "stray end", "unbalanced if", "underflow"]);
}

#[test]
fn programs_with_few_definitions_and_arrays_match_the_definition_and_agree() {
    let parts = [
        ": f ( a -- b )",
        ": g ( -- a )",
        ";",
        "1 array a",
        "f",
        "g",
        "a",
        "@",
        "!",
        "1",
        "drop",
        "if",
        "else",
        "times",
        "end",
        "exit",
        "leave",
    ];
    let mut judge = Judge::new();
    judge.sequences(&parts, 4, LIMITS);
    assert!(judge.done > 100 && judge.trapped > 100, "{} done, {} trapped", judge.done, judge.trapped);
    judge.met(&[
        "wrong effect",
        "underflow",
        "unbalanced if",
        "unknown word",
        "name not allowed",
        "missing ;",
        "stray ;",
    ]);
    judge.met(&["not at the top level"]);
}

/// Every order of the words that definitions and arrays consist of: which fault comes first, and where it is.
#[test]
fn faults_in_definitions_and_arrays_are_reported_as_defined() {
    let parts = [":", ";", "array", "f", "dup", "9", "0", "(", ")", "( -- )", "--", "\\ \n", "if", "end", "exit"];
    let mut judge = Judge::new();
    judge.sequences(&parts, 4, LIMITS);
    let fewer = [":", ";", "f", "(", ")", "( -- )", "--", "if", "end"];
    judge.sequences(&fewer, size("parts", 5, 3), LIMITS);
    judge.met(&["no name", "name not allowed", "no effect", "dashes", "unclosed", "missing ;", "stray ;"]);
    judge.met(&["without literal", "not at the top level", "missing end", "stray end", "not last", "unknown word"]);
    let cells =
        ["8388608 array a", "8388609 array b", "16777216 array c", "9223372036854775807 array d", "0x1", "array e"];
    let mut judge = Judge::new();
    // Two arrays suffice: each run of an accepted program allocates 128 MiB.
    judge.sequences(&cells, 2, LIMITS);
    judge.met(&["too many cells", "name not allowed"]);
    assert!(judge.accepted > 0);
}

/// Longer programs with all words. Bodies and definitions are closed most of the time, so that many programs are accepted.
#[test]
fn random_programs_match_the_definition_and_agree() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(20_250_917);
    let syntax = ["times", "if", "while", "else", "do", "end", "leave", "exit", ":", ";", "array"];
    let plain: Vec<_> = spellings().filter(|word| !syntax.contains(word)).collect();
    let definitions =
        [(": f ( -- )", ";"), (": g ( a -- b )", ";"), (": h ( a b -- )", "drop drop ;"), ("2 array a", "")];
    let mut judge = Judge::new();
    for _ in 0..size("programs", 20_000, 6_000) {
        let mut words: Vec<&str> = Vec::new();
        let mut open: Vec<Vec<&str>> = Vec::new();
        let with_names = random.random_range(0..2) == 0;
        while words.len() < 24 {
            match random.random_range(0..100) {
                0..35 => words.push(["0", "1", "2", "-1", "5", "9223372036854775807"][random.random_range(0..6)]),
                35..40 if with_names => words.push(["f", "g", "h", "a"][random.random_range(0..4)]),
                40..75 => words.push(plain[random.random_range(0..plain.len())]),
                75..77 if with_names && open.is_empty() => {
                    let (head, rest) = definitions[random.random_range(0..4)];
                    words.push(head);
                    if !rest.is_empty() {
                        open.push(vec![";"]);
                    }
                }
                75..85 if open.len() < 5 => {
                    let (opener, closers) = [
                        ("times", vec!["end"]),
                        ("if", vec!["end"]),
                        ("if", vec!["end", "else"]),
                        ("while", vec!["end", "do"]),
                    ][random.random_range(0..4)]
                    .clone();
                    words.push(opener);
                    open.push(closers);
                }
                85..99 => {
                    if let Some(closers) = open.last_mut() {
                        // `leave` is often wrong here.
                        match random.random_range(0..12) {
                            0 => words.push("exit"),
                            1 => words.push("leave"),
                            _ => {}
                        }
                        words.push(closers.pop().expect("a body is closed at its last word"));
                        if closers.is_empty() {
                            open.pop();
                        }
                    }
                }
                99 => words.push(syntax[random.random_range(0..syntax.len())]),
                _ => {}
            }
            if random.random_range(0..20) == 0 {
                break;
            }
        }
        while let Some(closer) = open.last_mut().and_then(Vec::pop) {
            words.push(closer);
            if open.last().is_some_and(Vec::is_empty) {
                open.pop();
            }
        }
        for (head, rest) in if with_names { &definitions[..] } else { &[] } {
            if !words.contains(head) {
                words.splice(0..0, [*head, *rest]);
            }
        }
        judge.text(&words.join(" "), Run { stack_limit: 5, ..LIMITS });
    }
    println!("{} accepted, {} done, {} trapped, {:?}", judge.accepted, judge.done, judge.trapped, judge.faults);
    assert!(judge.done > 1000 && judge.trapped > 1000, "{} done, {} trapped", judge.done, judge.trapped);
}
