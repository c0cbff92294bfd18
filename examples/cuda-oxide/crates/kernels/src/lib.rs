//! A kernel, as a host compiler sees it: cuda-oxide's own compiler makes PTX of it.

use cuda_device::{DisjointSlice, thread};
use cuda_macros::kernel;

/// c[i] = a[i] + b[i]
#[kernel]
pub fn vecadd(a: &[f32], b: &[f32], mut c: DisjointSlice<f32>) {
    let i = thread::index_1d();
    if let Some(sum) = c.get_mut(i) {
        *sum = a[i.get()] + b[i.get()];
    }
}
