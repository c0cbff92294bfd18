//! `#[derive(OpNames)]` for enums without fields.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

/// Adds `ALL`, every variant in source order, and `name`, the variant in lower case.
#[proc_macro_derive(OpNames)]
pub fn derive_op_names(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream, Error> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(input, "OpNames needs an enum"));
    };
    if let Some(v) = data
        .variants
        .iter()
        .find(|v| !matches!(v.fields, Fields::Unit))
    {
        return Err(Error::new_spanned(
            v,
            "OpNames needs variants without fields",
        ));
    }
    let ident = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|v| &v.ident).collect();
    let names = variants.iter().map(|v| v.to_string().to_lowercase());
    Ok(quote! {
        impl #ident {
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];

            pub fn name(self) -> &'static str {
                match self {
                    #(Self::#variants => #names),*
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_in_order() {
        let input = syn::parse_quote! { enum Op { MatMul, Add } };
        let got = expand(&input).unwrap().to_string();
        assert!(got.contains("[Self :: MatMul , Self :: Add]"), "{got}");
        assert!(got.contains("\"matmul\""), "{got}");
    }

    #[test]
    fn refuses_fields() {
        let input = syn::parse_quote! { enum Op { Scale(f32) } };
        assert!(expand(&input).is_err());
    }
}
