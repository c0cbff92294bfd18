//! Tells what rays look like.

use lumen_core::Ray;

pub fn describe(ray: &Ray) -> String {
    format!("{ray:?} has squared length {}", ray.squared_length())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_a_ray() {
        let want = "Ray { x: 3, y: 4 } has squared length 25";
        assert_eq!(describe(&Ray::new(3, 4)), want);
    }
}
