//! What is done at a registry: which scope it takes, and what a refusal of it is called.

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action<'a> {
    Pull,
    /// With blobs taken over from another repository of the registry, where one is named.
    Push {
        from: Option<&'a str>,
    },
    Login,
    /// Of repositories: its search, or all of their names.
    List,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim<'a> {
    pub action: Action<'a>,
    /// `library/alpine`; empty where it is the registry itself.
    pub repository: &'a str,
    /// As errors call it: `docker.io/library/alpine`, `docker.io`.
    pub full_name: &'a str,
    /// What is asked for.
    pub noun: &'a str,
}

impl Aim<'_> {
    /// The scope of a token for it (distribution: *Token Scope Documentation*), other repositories left
    /// out; a login takes none.
    pub(crate) fn own_scope(&self) -> String {
        let repository = self.repository;
        match self.action {
            Action::Pull => format!("repository:{repository}:pull"),
            Action::Push { .. } => format!("repository:{repository}:pull,push"),
            Action::Login => String::new(),
            Action::List => "registry:catalog:*".into(),
        }
    }

    /// The scope that is asked for, where a challenge names `theirs`. That of the HEAD that a push
    /// begins with says nothing of writing: a push takes its own and what else is named.
    pub(crate) fn scope_with(&self, theirs: &str) -> String {
        match self.action {
            Action::Push { from: None } => united(&self.own_scope(), theirs),
            Action::Push { from: Some(from) } => {
                united(&format!("{} repository:{from}:pull", self.own_scope()), theirs)
            }
            _ if theirs.is_empty() => self.own_scope(),
            _ => theirs.to_owned(),
        }
    }
}

/// `ours`, and what of `theirs` it does not cover.
fn united(ours: &str, theirs: &str) -> String {
    let mut all: Vec<&str> = ours.split(' ').collect();
    for scope in theirs.split(' ').filter(|scope| !scope.is_empty()) {
        if !all.iter().any(|own| covers(own, scope)) {
            all.push(scope);
        }
    }
    all.join(" ")
}

/// Whether who has the scope `own` may do all that `other` says: `type:name:action,action`.
pub(crate) fn covers(own: &str, other: &str) -> bool {
    let (Some((of, may)), Some((on, wanted))) = (own.rsplit_once(':'), other.rsplit_once(':'))
    else {
        return own == other;
    };
    of == on && wanted.split(',').all(|wanted| may.split(',').any(|may| may == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push<'a>(from: Option<&'a str>) -> Aim<'a> {
        Aim { action: Action::Push { from }, repository: "a", full_name: "h/a", noun: "blob" }
    }

    #[test]
    fn a_push_asks_to_write_whatever_the_challenge_is_about() {
        assert_eq!(push(None).scope_with("repository:a:pull"), "repository:a:pull,push");
        assert_eq!(
            push(Some("b")).scope_with("repository:a:push,pull"),
            "repository:a:pull,push repository:b:pull"
        );
        assert_eq!(
            push(None).scope_with("repository:prefix/a:pull,push"),
            "repository:a:pull,push repository:prefix/a:pull,push"
        );
    }

    #[test]
    fn else_the_challenges_own_scope_is_taken_where_it_has_one() {
        let aim = |action| Aim { action, ..push(None) };
        assert_eq!(aim(Action::Pull).scope_with("repository:p/a:pull"), "repository:p/a:pull");
        assert_eq!(aim(Action::Pull).scope_with(""), "repository:a:pull");
        assert_eq!(aim(Action::Login).scope_with(""), "");
        assert_eq!(aim(Action::List).scope_with(""), "registry:catalog:*");
    }
}
