//! Nodes and properties of a checked tree.

use super::{
    Tree, be32,
    token::{Token, Tokens},
};

/// A node. Copying it is cheap.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    tree: Tree<'a>,
    name: &'a str,
    /// Offset of the first token inside the node; no two nodes share one.
    inside: usize,
}

/// A property and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, big-endian where it is numbers.
    pub value: &'a [u8],
}

/// How many 32-bit cells addresses and sizes take in a node's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSizes {
    /// `#address-cells`.
    pub address: usize,
    /// `#size-cells`.
    pub size: usize,
}

impl<'a> Node<'a> {
    pub(super) fn new(tree: Tree<'a>, name: &'a str, inside: usize) -> Self {
        Self { tree, name, inside }
    }

    /// The name with its unit address; the root's is empty.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Whether both are the same node of the same tree.
    pub fn is(&self, other: &Node<'_>) -> bool {
        self.inside == other.inside
    }

    /// The node's own properties, in order.
    pub fn properties(&self) -> Properties<'a> {
        Properties { tree: self.tree, tokens: Tokens::new(self.tree.structure, self.inside) }
    }

    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&'a [u8]> {
        self.properties().find(|p| p.name == name).map(|p| p.value)
    }

    /// A property that is one cell.
    pub fn cell(&self, name: &str) -> Option<u32> {
        be32(self.property(name)?, 0)
    }

    /// A property that is a text (the first one if it is a list).
    pub fn text(&self, name: &str) -> Option<&'a str> {
        super::token::c_str(self.property(name)?)
    }

    /// The child nodes, in order.
    pub fn children(&self) -> Children<'a> {
        Children { tree: self.tree, tokens: Tokens::new(self.tree.structure, self.inside) }
    }

    /// The child of this name; without `@` in it, of this name before the unit address.
    pub fn child(&self, name: &str) -> Option<Node<'a>> {
        let base = |node: &Node<'a>| node.name.split('@').next() == Some(name);
        self.children().find(|node| node.name == name || base(node))
    }

    /// Whether `compatible` lists one of these.
    pub fn is_compatible(&self, with: &[&str]) -> bool {
        let Some(list) = self.property("compatible") else {
            return false;
        };
        list.split(|b| *b == 0).any(|one| with.iter().any(|name| name.as_bytes() == one))
    }

    /// Whether the node may be used: `status` absent or "okay".
    pub fn is_enabled(&self) -> bool {
        self.property("status").is_none() || matches!(self.text("status"), Some("okay" | "ok"))
    }

    /// Cell sizes for this node's children; 2 and 1 where the tree does not say.
    pub fn cell_sizes(&self) -> CellSizes {
        let cells = |name, default| self.cell(name).map_or(default, |n| n as usize);
        CellSizes { address: cells("#address-cells", 2), size: cells("#size-cells", 1) }
    }
}

/// Iterator over [`Node::properties`].
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    tree: Tree<'a>,
    tokens: Tokens<'a>,
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match self.tokens.next_token()? {
            Token::Property { name_offset, value } => Some(Property { name: self.tree.string(name_offset)?, value }),
            _ => {
                // Properties come first: park at the end of the block so that this answer stays.
                self.tokens = Tokens::new(&[], 0);
                None
            }
        }
    }
}

/// Iterator over [`Node::children`].
#[derive(Clone, Debug)]
pub struct Children<'a> {
    tree: Tree<'a>,
    /// Inside the parent, before a child or its end.
    tokens: Tokens<'a>,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            match self.tokens.next_token()? {
                Token::Property { .. } => {}
                Token::Begin(name) => {
                    let node = Node::new(self.tree, name, self.tokens.offset());
                    self.skip_subtree();
                    return Some(node);
                }
                Token::End | Token::Finish => {
                    self.tokens = Tokens::new(&[], 0);
                    return None;
                }
            }
        }
    }
}

impl Children<'_> {
    /// Passes the end that belongs to the begin just read.
    fn skip_subtree(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.tokens.next_token() {
                Some(Token::Begin(_)) => depth += 1,
                Some(Token::End) => depth -= 1,
                Some(Token::Property { .. }) => {}
                Some(Token::Finish) | None => return,
            }
        }
    }
}
