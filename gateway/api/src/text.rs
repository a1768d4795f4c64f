//! Serde for types that are text on the wire: `Display` out, `parse` in.

/// Implements `Display`, `AsRef<str>`, `FromStr`, `Serialize` and `Deserialize` for a newtype over `String`
/// that has `fn parse(&str) -> Result<Self, Invalid>`.
macro_rules! checked_text {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::text::serde_as_text!($name);
    };
}

/// Implements `FromStr`, `Serialize` and `Deserialize` for a type with `Display` and
/// `fn parse(&str) -> Result<Self, Invalid>`.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use checked_text;
pub(crate) use serde_as_text;
