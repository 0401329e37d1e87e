//! A tree and data to text.

use serde_json::{Map, Value};
use varve_core::{Error, Result};

use super::functions;
use super::parse::{Base, Node, Pipeline, Term};
use super::print;

/// Longest text that a template may make, in bytes.
const MOST: usize = 64 << 20;
/// Most turns of a range over a number.
const TURNS: u64 = 1 << 20;

/// Where a template goes on after a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// Renders one template.
pub struct Evaluation<'a> {
    root: &'a Value,
    /// Innermost last; the data itself, which has no name, is none of them.
    variables: Vec<(String, Value)>,
    text: String,
}

impl<'a> Evaluation<'a> {
    pub fn new(root: &'a Value) -> Self {
        Self { root, variables: Vec::new(), text: String::new() }
    }

    /// The text of `nodes`.
    pub fn run(mut self, nodes: &[Node]) -> Result<String> {
        match self.nodes(nodes, self.root)? {
            Flow::Next => Ok(self.text),
            _ => Err(Error::invalid("{{break}} and {{continue}} are only for range")),
        }
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow> {
        let known = self.variables.len();
        let mut flow = Flow::Next;
        for node in nodes {
            flow = self.node(node, dot)?;
            if self.text.len() > MOST {
                return Err(Error::exhausted(format!("the template makes more than {MOST} bytes")));
            }
            if flow != Flow::Next {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow> {
        match node {
            Node::Text(text) => self.text.push_str(text),
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                match pipeline.variables.as_slice() {
                    [] => self.text.push_str(&print::text(&value)),
                    [name] => self.variables.push((name.clone(), value)),
                    _ => return Err(Error::invalid("two variables are only for range")),
                }
            }
            Node::If(branches, otherwise) => {
                for (pipeline, body) in branches {
                    if is_true(&self.pipeline(pipeline, dot)?) {
                        return self.nodes(body, dot);
                    }
                }
                return self.nodes(otherwise, dot);
            }
            Node::With(pipeline, body, otherwise) => {
                let value = self.pipeline(pipeline, dot)?;
                if !is_true(&value) {
                    return self.nodes(otherwise, dot);
                }
                return self.each(&pipeline.variables, None, &value, body);
            }
            Node::Range(pipeline, body, otherwise) => {
                return self.range(pipeline, body, otherwise, dot);
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow> {
        let value = match self.pipeline(pipeline, dot)? {
            Value::Number(turns) => counted(&turns)?,
            value => value,
        };
        let entries: Vec<(Value, &Value)> = match &value {
            Value::Array(all) => all.iter().enumerate().map(|(n, item)| (n.into(), item)).collect(),
            Value::Object(map) => {
                sorted(map).map(|(key, item)| (key.clone().into(), item)).collect()
            }
            Value::Null => Vec::new(),
            other => return Err(Error::invalid(format!("range over {}", print::kind(other)))),
        };
        if entries.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in &entries {
            if self.each(&pipeline.variables, Some(key), item, body)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    /// A body with another dot, and the variables that go with it: the value's, or the key's and the value's.
    fn each(
        &mut self,
        names: &[String],
        key: Option<&Value>,
        item: &Value,
        body: &[Node],
    ) -> Result<Flow> {
        let known = self.variables.len();
        let values = key.filter(|_| names.len() == 2).into_iter().chain([item]);
        self.variables.extend(names.iter().cloned().zip(values.cloned()));
        let done = self.nodes(body, item);
        self.variables.truncate(known);
        done
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or_default())
    }

    /// `piped` is the last argument of a function, and may be no argument of anything else.
    fn command(&mut self, command: &[Term], piped: Option<Value>, dot: &Value) -> Result<Value> {
        let Some((first, rest)) = command.split_first() else { return Ok(Value::Null) };
        let Base::Function(name) = &first.base else {
            if !rest.is_empty() || piped.is_some() {
                return Err(Error::invalid("only a function takes arguments in a template"));
            }
            return self.term(first, dot);
        };
        if matches!(name.as_str(), "and" | "or") && rest.len() + usize::from(piped.is_some()) > 0 {
            let value = self.decided(name == "or", rest, piped, dot)?;
            return self.fields(&value, &first.fields, false);
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for term in rest {
            arguments.push(self.term(term, dot)?);
        }
        arguments.extend(piped);
        let value = functions::call(name, arguments)?;
        self.fields(&value, &first.fields, false)
    }

    /// `and`, and `or`: what comes after the value that decides is not evaluated.
    fn decided(
        &mut self,
        by: bool,
        terms: &[Term],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value> {
        let mut last = Value::Null;
        for term in terms {
            last = self.term(term, dot)?;
            if is_true(&last) == by {
                return Ok(last);
            }
        }
        Ok(piped.unwrap_or(last))
    }

    fn term(&mut self, term: &Term, dot: &Value) -> Result<Value> {
        let made;
        let base = match &term.base {
            Base::Dot => dot,
            Base::Literal(value) => value,
            Base::Function(name) => {
                made = functions::call(name, Vec::new())?;
                &made
            }
            Base::Group(pipeline) => {
                made = self.pipeline(pipeline, dot)?;
                &made
            }
            Base::Variable(name) if name.is_empty() => self.root,
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let unknown = || Error::invalid(format!("${name} is not declared in the template"));
                &known.ok_or_else(unknown)?.1
            }
        };
        let of_root = matches!(term.base, Base::Dot) && std::ptr::eq(dot, self.root);
        self.fields(base, &term.fields, of_root)
    }

    /// Of the data itself a field must be there; of what is in it one that is missing has no value.
    fn fields(&self, mut value: &Value, fields: &[String], of_root: bool) -> Result<Value> {
        for (depth, field) in fields.iter().enumerate() {
            value = match value {
                Value::Object(map) => match map.get(field) {
                    Some(value) => value,
                    None if of_root && depth == 0 => return Err(unknown(field, map)),
                    None => &Value::Null,
                },
                Value::Null => &Value::Null,
                other => {
                    let kind = print::kind(other);
                    return Err(Error::invalid(format!("{kind} has no field {field}")));
                }
            };
        }
        Ok(value.clone())
    }
}

/// What a range over a number goes over.
fn counted(turns: &serde_json::Number) -> Result<Value> {
    let bad = || Error::invalid(format!("range over {turns}: want 0 to {TURNS}"));
    let turns = turns.as_u64().filter(|turns| *turns <= TURNS).ok_or_else(bad)?;
    Ok((0..turns).collect())
}

fn unknown(field: &str, map: &Map<String, Value>) -> Error {
    let names: Vec<&str> = sorted(map).map(|(name, _)| name.as_str()).collect();
    Error::invalid(format!("there is no field .{field}; there are .{}", names.join(", .")))
}

/// By key, as Go ranges over a map.
pub fn sorted(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    entries.into_iter()
}

/// Go's truth: what is not empty, zero, false or nil.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
