//! Events as the log stores them: stable names, versions, sealed parts.

pub mod seal;
