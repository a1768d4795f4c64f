//! How a store is opened.

/// Settings of [`crate::Store::open`]. All sizes are bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address space mapped at first. It is virtual: pages that are not used cost nothing.
    pub map_size: usize,
    /// The map doubles when it is full, up to this.
    pub map_limit: usize,
    /// The last part of `map_limit`, which only [`crate::Batch::essential`] batches and pure deletes may use.
    pub reserve: usize,
    /// Open for reading only, as tools do on a store whose gateway is stopped. Nothing is created.
    pub readonly: bool,
    /// Longest value, and longest audit event as stored.
    pub max_value_bytes: usize,
    /// Where this store shall fail.
    #[cfg(any(test, feature = "faults"))]
    pub faults: crate::Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            map_size: 64 << 20,
            map_limit: if usize::BITS > 32 { 1 << 40 } else { 1 << 30 },
            reserve: 16 << 20,
            readonly: false,
            max_value_bytes: 1 << 20,
            #[cfg(any(test, feature = "faults"))]
            faults: crate::Faults::default(),
        }
    }
}

impl Options {
    #[cfg(any(test, feature = "faults"))]
    pub(crate) fn faults(&self) -> crate::faults::Faults {
        self.faults.clone()
    }

    #[cfg(not(any(test, feature = "faults")))]
    #[allow(clippy::unused_self)] // the shape of the one with faults
    pub(crate) fn faults(&self) -> crate::faults::Faults {
        crate::faults::Faults
    }
}
