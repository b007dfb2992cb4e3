//! From one list of an aggregate's events, with what of each is personal, to all that takes them to the log and back.

/// `EventEnum through UPCASTERS { Variant, Variant(personal), Variant = 2, … }`: stable names, versions, `encode`, `decode`
/// and `decode_clear`. A type whose shape has changed has its version in the list, and upcasters from every earlier one.
macro_rules! stream_codec {
    ($event:ident through $upcasters:path { $($variant:ident $(($personal:ident))? $(= $version:literal)?),* $(,)? }) => {
        /// The stable type name of an event.
        pub const fn kind(event: &$event) -> &'static str {
            match event { $($event::$variant(_) => stringify!($variant)),* }
        }

        /// Every type name, in the order of declaration.
        pub const KINDS: &[&str] = &[$(stringify!($variant)),*];

        /// Every type name with the version of the shape that this build writes.
        pub const VERSIONS: &[(&str, u16)] = &[$((stringify!($variant), stream_codec!(@version $($version)?))),*];

        const _: () = assert!(
            crate::codec::upcast::fault($upcasters, VERSIONS).is_none(),
            "upcasters do not lead from every version to the present one"
        );

        /// Makes an event ready for the log; `id` is the identity it will be stored under.
        pub fn encode(
            desk: &mut crate::codec::Desk,
            event: &$event,
            id: crate::ids::EventId,
            key: crate::codec::seal::KeyRef,
            secret: &crate::codec::seal::SealKey,
        ) -> crate::codec::Encoded {
            let mut sealer = crate::codec::part::Sealer { id, key, secret, desk };
            match event {
                $($event::$variant(clear) => {
                    let named = (stringify!($variant), stream_codec!(@version $($version)?));
                    stream_codec!(@encode sealer, named, clear $(, $personal)?)
                })*
            }
        }

        /// Reads a stored event. Personal parts whose key is gone are masked.
        pub fn decode(
            recorded: &crate::log::Recorded,
            keyring: &dyn crate::ports::Keyring,
        ) -> Result<$event, crate::codec::DecodeError> {
            decode_through($upcasters, recorded, Some(keyring))
        }

        /// Reads what stands clear in a stored event, at less cost: personal parts are masked, keys or not.
        pub fn decode_clear(recorded: &crate::log::Recorded) -> Result<$event, crate::codec::DecodeError> {
            decode_through($upcasters, recorded, None)
        }

        fn decode_through(
            upcasters: &[crate::codec::upcast::Upcaster],
            recorded: &crate::log::Recorded,
            keyring: Option<&dyn crate::ports::Keyring>,
        ) -> Result<$event, crate::codec::DecodeError> {
            let crate::log::Recorded { id, kind, version, data, .. } = recorded;
            let opener = crate::codec::part::Opener {
                id: *id, kind, version: *version, data, keyring, upcasters, taken: &[],
            };
            match opener.kind {
                $(stringify!($variant) => opener.read(
                    stream_codec!(@version $($version)?),
                    |opener| stream_codec!(@decode opener, $event, $variant $(, $personal)?),
                ),)*
                _ => Err(opener.unknown()),
            }
        }
    };
    (@version) => { 1 };
    (@version $version:literal) => { $version };
    (@encode $sealer:ident, $named:ident, $clear:ident) => {
        $sealer.encode($named, $clear, None::<&crate::codec::personal::Personal<crate::session::event::Wire>>)
    };
    (@encode $sealer:ident, $named:ident, $clear:ident, $personal:ident) => {
        $sealer.encode($named, $clear, Some(&$clear.$personal))
    };
    (@decode $opener:ident, $event:ident, $variant:ident) => {
        $opener.clear().map($event::$variant)
    };
    (@decode $opener:ident, $event:ident, $variant:ident, $personal:ident) => {
        $opener.clear().and_then(|clear| {
            let mut event = $event::$variant(clear);
            if let $event::$variant(clear) = &mut event { clear.$personal = $opener.personal()?; }
            Ok(event)
        })
    };
}
pub(super) use stream_codec;
