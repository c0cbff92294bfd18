//! Rays of whole numbers.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ray {
    x: u32,
    y: u32,
}

impl Ray {
    pub fn new(x: u32, y: u32) -> Ray {
        Ray { x, y }
    }

    pub fn squared_length(&self) -> u64 {
        let (x, y) = (u64::from(self.x), u64::from(self.y));
        x * x + y * y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_without_overflow() {
        let side = u64::from(u32::MAX);
        assert_eq!(Ray::new(u32::MAX, 0).squared_length(), side * side);
    }
}
