//! Pieces to a tree.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;
use varve_core::{Error, Result};

use super::lex::{Piece, Token};

/// Nested blocks and parentheses, at most.
const DEPTH: usize = 100;

#[derive(Clone, PartialEq, Debug)]
pub enum Node {
    Text(String),
    /// Evaluated and printed, unless it declares a variable.
    Print(Pipeline),
    /// `if` with its `else if`s: the first whose pipeline is true.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
    /// Ends the innermost range.
    Break,
    /// Goes on with the next of the innermost range.
    Continue,
}

/// `$a, $b := command | command`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Pipeline {
    pub variables: Vec<String>,
    pub commands: Vec<Vec<Term>>,
}

/// A value, and the fields that are taken of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Term {
    pub base: Base,
    pub fields: Vec<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Group(Pipeline),
}

type Pieces = Peekable<IntoIter<Piece>>;
type Tokens = Peekable<IntoIter<Token>>;

/// The tree of a whole template.
pub fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>> {
    let mut pieces = pieces.into_iter().peekable();
    let (nodes, end) = block(&mut pieces, 0)?;
    match end {
        None => Ok(nodes),
        Some((word, _)) => Err(Error::invalid(format!("{{{{{word}}}}} ends nothing"))),
    }
}

/// What ended a block: `else` with the rest of its action, or `end`.
type End = Option<(String, Tokens)>;

fn block(pieces: &mut Pieces, depth: usize) -> Result<(Vec<Node>, End)> {
    if depth > DEPTH {
        return Err(Error::invalid(format!("more than {DEPTH} blocks in one another")));
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let mut tokens = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(tokens) => tokens.into_iter().peekable(),
        };
        let keyword = match tokens.peek() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "else" | "end" => {
                tokens.next();
                return Ok((nodes, Some((keyword, tokens))));
            }
            "if" | "with" | "range" => {
                tokens.next();
                nodes.push(control(&keyword, tokens, pieces, depth)?);
            }
            "break" if tokens.len() == 1 => nodes.push(Node::Break),
            "continue" if tokens.len() == 1 => nodes.push(Node::Continue),
            _ => nodes.push(Node::Print(whole(tokens)?)),
        }
    }
    Ok((nodes, None))
}

fn control(keyword: &str, tokens: Tokens, pieces: &mut Pieces, depth: usize) -> Result<Node> {
    let mut branches = vec![(whole(tokens)?, Vec::new())];
    loop {
        let (nodes, end) = block(pieces, depth + 1)?;
        branches.last_mut().expect("one is there from the start").1 = nodes;
        let Some((word, mut tokens)) = end else {
            return Err(Error::invalid(format!("{{{{{keyword}}}}} has no {{{{end}}}}")));
        };
        let otherwise = match (word.as_str(), tokens.next()) {
            ("end", None) => Vec::new(),
            ("else", Some(Token::Word(again))) if again == "if" && keyword == "if" => {
                branches.push((whole(tokens)?, Vec::new()));
                continue;
            }
            ("else", None) => otherwise(keyword, pieces, depth)?,
            _ => return Err(Error::invalid(format!("{{{{{word}}}}} takes nothing here"))),
        };
        if keyword == "if" {
            return Ok(Node::If(branches, otherwise));
        }
        let (pipeline, body) = branches.swap_remove(0);
        return Ok(match keyword {
            "with" => Node::With(pipeline, body, otherwise),
            _ => Node::Range(pipeline, body, otherwise),
        });
    }
}

fn otherwise(keyword: &str, pieces: &mut Pieces, depth: usize) -> Result<Vec<Node>> {
    match block(pieces, depth + 1)? {
        (nodes, Some((word, _))) if word == "end" => Ok(nodes),
        _ => {
            Err(Error::invalid(format!("the {{{{else}}}} of {{{{{keyword}}}}} has no {{{{end}}}}")))
        }
    }
}

/// A pipeline that is all of its action.
fn whole(mut tokens: Tokens) -> Result<Pipeline> {
    let pipeline = pipeline(&mut tokens, 0)?;
    match tokens.next() {
        None => Ok(pipeline),
        Some(token) => Err(Error::invalid(format!("{token:?} is not expected there"))),
    }
}

fn pipeline(tokens: &mut Tokens, depth: usize) -> Result<Pipeline> {
    if depth > DEPTH {
        return Err(Error::invalid(format!("more than {DEPTH} parentheses in one another")));
    }
    let mut pipeline = Pipeline { variables: variables(tokens), commands: vec![Vec::new()] };
    loop {
        let command = pipeline.commands.last_mut().expect("one is there from the start");
        match tokens.peek() {
            None | Some(Token::Close) => break,
            Some(Token::Pipe) => {
                tokens.next();
                pipeline.commands.push(Vec::new());
            }
            Some(_) => command.push(term(tokens, depth)?),
        }
    }
    match pipeline.commands.iter().any(Vec::is_empty) {
        true => Err(Error::invalid("a command is missing in a template's action")),
        false => Ok(pipeline),
    }
}

/// What stands before `:=`; taken only where that follows.
fn variables(tokens: &mut Tokens) -> Vec<String> {
    let mut ahead = tokens.clone();
    let mut names = Vec::new();
    while let Some(Token::Variable(name)) = ahead.next() {
        names.push(name);
        match ahead.next() {
            Some(Token::Comma) => {}
            Some(Token::Assign) => {
                *tokens = ahead;
                return names;
            }
            _ => break,
        }
    }
    Vec::new()
}

fn term(tokens: &mut Tokens, depth: usize) -> Result<Term> {
    let mut fields = Vec::new();
    let base = match tokens.next() {
        Some(Token::Dot) => Base::Dot,
        Some(Token::Field { name, .. }) => {
            fields.push(name);
            Base::Dot
        }
        Some(Token::Variable(name)) => Base::Variable(name),
        Some(Token::Text(text)) => Base::Literal(text.into()),
        Some(Token::Number(number)) => Base::Literal(number.into()),
        Some(Token::Word(word)) => match word.as_str() {
            "true" => Base::Literal(true.into()),
            "false" => Base::Literal(false.into()),
            "nil" => Base::Literal(Value::Null),
            _ => Base::Function(word),
        },
        Some(Token::Open) => {
            let inner = pipeline(tokens, depth + 1)?;
            if tokens.next() != Some(Token::Close) {
                return Err(Error::invalid("a \"(\" is not closed"));
            }
            Base::Group(inner)
        }
        other => return Err(Error::invalid(format!("{other:?} is not expected there"))),
    };
    while let Some(Token::Field { attached: true, .. }) = tokens.peek() {
        let Some(Token::Field { name, .. }) = tokens.next() else { break };
        fields.push(name);
    }
    Ok(Term { base, fields })
}
