//! A tree and data to text.

use serde_json::{Map, Value};
use varve_core::{Error, Result};

use super::functions;
use super::parse::{Base, Node, Pipeline, Term};
use super::print;

/// Longest text that a template may make, in bytes.
const MOST: usize = 64 << 20;

/// Renders one template.
pub struct Evaluation<'a> {
    root: &'a Value,
    /// Innermost last.
    variables: Vec<(String, Value)>,
    text: String,
}

impl<'a> Evaluation<'a> {
    pub fn new(root: &'a Value) -> Self {
        Self { root, variables: vec![(String::new(), root.clone())], text: String::new() }
    }

    /// The text of `nodes`.
    pub fn run(mut self, nodes: &[Node]) -> Result<String> {
        self.nodes(nodes, self.root)?;
        Ok(self.text)
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<()> {
        let known = self.variables.len();
        for node in nodes {
            self.node(node, dot)?;
            if self.text.len() > MOST {
                return Err(Error::exhausted(format!("the template makes more than {MOST} bytes")));
            }
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<()> {
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
                self.nodes(otherwise, dot)?;
            }
            Node::With(pipeline, body, otherwise) => {
                let value = self.pipeline(pipeline, dot)?;
                if !is_true(&value) {
                    return self.nodes(otherwise, dot);
                }
                self.each(&pipeline.variables, None, &value, body)?;
            }
            Node::Range(pipeline, body, otherwise) => self.range(pipeline, body, otherwise, dot)?,
        }
        Ok(())
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<()> {
        let value = self.pipeline(pipeline, dot)?;
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
        entries
            .iter()
            .try_for_each(|(key, item)| self.each(&pipeline.variables, Some(key), item, body))
    }

    /// A body with another dot, and the variables that go with it: the value's, or the key's and the value's.
    fn each(
        &mut self,
        names: &[String],
        key: Option<&Value>,
        item: &Value,
        body: &[Node],
    ) -> Result<()> {
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
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for term in rest {
            arguments.push(self.term(term, dot)?);
        }
        arguments.extend(piped);
        let value = functions::call(name, arguments)?;
        self.fields(value, &first.fields, false)
    }

    fn term(&mut self, term: &Term, dot: &Value) -> Result<Value> {
        let base = match &term.base {
            Base::Dot => dot.clone(),
            Base::Literal(value) => value.clone(),
            Base::Function(name) => functions::call(name, Vec::new())?,
            Base::Group(pipeline) => self.pipeline(pipeline, dot)?,
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let unknown = || Error::invalid(format!("${name} is not declared in the template"));
                known.ok_or_else(unknown)?.1.clone()
            }
        };
        let of_root = matches!(term.base, Base::Dot) && std::ptr::eq(dot, self.root);
        self.fields(base, &term.fields, of_root)
    }

    /// Of the data itself a field must be there; of what is in it one that is missing has no value.
    fn fields(&self, mut value: Value, fields: &[String], of_root: bool) -> Result<Value> {
        for (depth, field) in fields.iter().enumerate() {
            value = match value {
                Value::Object(mut map) => match map.remove(field) {
                    Some(value) => value,
                    None if of_root && depth == 0 => return Err(unknown(field, &map)),
                    None => Value::Null,
                },
                Value::Null => Value::Null,
                other => {
                    let kind = print::kind(&other);
                    return Err(Error::invalid(format!("{kind} has no field {field}")));
                }
            };
        }
        Ok(value)
    }
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
