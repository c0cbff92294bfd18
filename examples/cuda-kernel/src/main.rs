//! Adds numbers on the first device, with a kernel that was compiled at build
//! time; says so politely when there is no driver or no device.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::process::ExitCode;
use std::ptr::{null, null_mut};

static CUBIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/add.cubin"));

// The driver's functions, as cuda.h declares them.
unsafe extern "C" {
    fn cuInit(flags: c_uint) -> c_int;
    fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int;
    fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, device: c_int) -> c_int;
    fn cuCtxSetCurrent(context: *mut c_void) -> c_int;
    fn cuModuleLoadData(module: *mut *mut c_void, image: *const c_void) -> c_int;
    fn cuModuleGetFunction(
        function: *mut *mut c_void,
        module: *mut c_void,
        name: *const c_char,
    ) -> c_int;
    fn cuMemAlloc_v2(at: *mut u64, bytes: usize) -> c_int;
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> c_int;
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> c_int;
    fn cuLaunchKernel(
        function: *mut c_void,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: *mut c_void,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> c_int;
}

fn main() -> ExitCode {
    println!("the kernel has {} bytes", CUBIN.len());
    match add(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]) {
        Ok(sum) => println!("1 + 10, 2 + 20, 3 + 30 = {sum:?}"),
        Err(why) => println!("not run: the driver's error {why}"),
    }
    ExitCode::SUCCESS
}

fn check(result: c_int) -> Result<(), c_int> {
    if result == 0 { Ok(()) } else { Err(result) }
}

fn add(a: &[f32], b: &[f32]) -> Result<Vec<f32>, c_int> {
    const NAME: &CStr = c"add";
    let mut sum = vec![0f32; a.len()];
    let bytes = size_of_val(a);
    let (mut device, mut context, mut module, mut function) =
        (0, null_mut(), null_mut(), null_mut());
    let mut at = [0u64; 3];
    let mut n = a.len() as c_uint;
    // SAFETY: every pointer is to something that outlives the call, the three
    // buffers have `bytes` bytes each, and the kernel takes these parameters.
    unsafe {
        check(cuInit(0))?;
        check(cuDeviceGet(&mut device, 0))?;
        check(cuDevicePrimaryCtxRetain(&mut context, device))?;
        check(cuCtxSetCurrent(context))?;
        check(cuModuleLoadData(&mut module, CUBIN.as_ptr().cast()))?;
        check(cuModuleGetFunction(&mut function, module, NAME.as_ptr()))?;
        for p in &mut at {
            check(cuMemAlloc_v2(p, bytes))?;
        }
        check(cuMemcpyHtoD_v2(at[0], a.as_ptr().cast(), bytes))?;
        check(cuMemcpyHtoD_v2(at[1], b.as_ptr().cast(), bytes))?;
        let [x, y, z] = &mut at;
        let mut parameters: [*mut c_void; 4] = [
            (&raw mut *x).cast(),
            (&raw mut *y).cast(),
            (&raw mut *z).cast(),
            (&raw mut n).cast(),
        ];
        check(cuLaunchKernel(
            function,
            1,
            1,
            1,
            32,
            1,
            1,
            0,
            null_mut(),
            parameters.as_mut_ptr(),
            null::<*mut c_void>().cast_mut(),
        ))?;
        check(cuMemcpyDtoH_v2(sum.as_mut_ptr().cast(), at[2], bytes))?;
    }
    Ok(sum)
}
