//! What draws the page. The libraries are unchanged; `assets/vendor/README.md` says where they are from.

/// How pages look.
pub const STYLE: &str = include_str!("../../templates/page/page.css");
/// Draws the figures from the tables.
pub const SCRIPT: &str = include_str!("../../templates/page/page.js");
/// D3 7.9.0.
pub const D3: &str = include_str!("../../assets/vendor/d3-7.9.0.min.js");
/// Observable Plot 0.6.17, which reads D3.
pub const PLOT: &str = include_str!("../../assets/vendor/plot-0.6.17.umd.min.js");

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn they_are_what_was_published() {
        let digest =
            |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(digest(D3), "f2094bbf6141b359722c4fe454eb6c4b0f0e42cc10cc7af921fc158fceb86539");
        assert_eq!(digest(PLOT), "4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb");
        for text in [D3, PLOT] {
            assert!(!text.contains("</script"), "it would end the element that it is in");
        }
    }
}
