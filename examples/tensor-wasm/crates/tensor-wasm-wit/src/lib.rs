//! The interface that guests see, as it stands in `wit/`.

/// The text of the interface.
pub const WIT: &str = include_str!("../../../wit/tensor.wit");

/// The names of the functions in an interface, in the order of the text.
pub fn functions(wit: &str) -> impl Iterator<Item = &str> {
    wit.lines().filter_map(|line| {
        let (name, kind) = line.trim().split_once(':')?;
        kind.trim_start().starts_with("func").then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_functions() {
        let text = "interface x {\n  add: func(a: s32);\n  record r { shape: list<u32> }\n}\n";
        assert_eq!(functions(text).collect::<Vec<_>>(), ["add"]);
        assert!(functions(WIT).count() > 0);
    }
}
