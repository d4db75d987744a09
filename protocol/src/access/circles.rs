//! Ranks in a graph that should be a tree.
//!
//! Certificates make a tree of devices. But nothing stops the owner of two keys from certifying
//! each under the other, and a circle would make each the judge of the other. So keys in a circle
//! count as equals: a node's rank is the length of the longest way down to it, circles counted as
//! one step. Tarjan's algorithm, with its own stack, finds circles after all that stands above them.

/// The ranks of nodes that are numbered from 0 and given with the nodes above each. Whatever is
/// above another has the lower rank, unless the two lie in one circle: then the ranks are equal.
pub(super) fn ranks(above: &[Vec<usize>]) -> Vec<u32> {
    let mut search = Search {
        above,
        found: vec![0; above.len()],
        low: vec![0; above.len()],
        rank: vec![None; above.len()],
        path: Vec::new(),
        open: Vec::new(),
        count: 0,
    };
    for node in 0..above.len() {
        search.from(node);
    }
    search.rank.into_iter().map(Option::unwrap_or_default).collect()
}

struct Search<'a> {
    above: &'a [Vec<usize>],
    /// When each node was found, from 1; 0 for not yet.
    found: Vec<u32>,
    /// The earliest found node without a rank that is known to be reached.
    low: Vec<u32>,
    rank: Vec<Option<u32>>,
    /// Nodes on the way, each with how many of those above it were looked at.
    path: Vec<(usize, usize)>,
    /// Found nodes without a rank.
    open: Vec<usize>,
    count: u32,
}

impl Search<'_> {
    fn from(&mut self, node: usize) {
        if self.found[node] == 0 {
            self.enter(node);
        }
        while let Some((node, next)) = self.path.last_mut() {
            let node = *node;
            if let Some(&above) = self.above[node].get(*next) {
                *next += 1;
                self.look(node, above);
            } else {
                self.path.pop();
                self.leave(node);
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.count += 1;
        (self.found[node], self.low[node]) = (self.count, self.count);
        self.open.push(node);
        self.path.push((node, 0));
    }

    fn look(&mut self, node: usize, above: usize) {
        if self.found[above] == 0 {
            self.enter(above);
        } else if self.rank[above].is_none() {
            self.low[node] = self.low[node].min(self.found[above]);
        }
    }

    fn leave(&mut self, node: usize) {
        if let Some((below, _)) = self.path.last() {
            self.low[*below] = self.low[*below].min(self.low[node]);
        }
        if self.low[node] == self.found[node] {
            let start = self.open.iter().rposition(|open| *open == node).unwrap_or(0);
            let circle = self.open.split_off(start);
            let above = circle.iter().flat_map(|member| self.above[*member].iter());
            let highest = above.filter_map(|above| self.rank[*above]).max();
            let rank = highest.map_or(0, |rank| rank + 1);
            for member in circle {
                self.rank[member] = Some(rank);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_way_counts_and_a_circle_is_one_step() {
        assert_eq!(ranks(&[vec![], vec![0], vec![1, 0], vec![2]]), [0, 1, 2, 3]);
        let circle = [vec![], vec![0, 3], vec![1], vec![2], vec![2]];
        assert_eq!(ranks(&circle), [0, 1, 1, 1, 2]);
        assert_eq!(ranks(&[vec![1], vec![0], vec![2]]), [0, 0, 0]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let above: Vec<_> = (0..200_000).map(|node| (node + 1..200_000).take(1).collect()).collect();
        assert_eq!(ranks(&above)[0], 199_999);
    }
}
