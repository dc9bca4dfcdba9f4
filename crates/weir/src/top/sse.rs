//! Server-sent events, as the HTML standard frames them (9.2.6): bytes in, events out.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// An event larger than this is no event of ours.
const EVENT_MAX: usize = 16 << 20;

/// What was cut off in the middle waits here for its rest.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Frames {
    /// Takes bytes as they came; gives the events that are whole now. `Err`: it is too large.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() + self.event.data.len() > EVENT_MAX {
                return Err(format!("an event of more than {} MiB", EVENT_MAX >> 20));
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let text = String::from_utf8_lossy(&line);
                events.extend(self.line(text.trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let whole = std::mem::take(&mut self.has_data);
            return whole.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => value.clone_into(&mut self.event.id),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // A comment (its field is empty), or one that we don't know.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": weir\n\nevent: decision\r\nid: a-1\r\ndata: {\"x\":\ndata: 1}\n\nevent: x\n\ndata: late\n\n";

    fn all(cuts: usize) -> Vec<Event> {
        let mut frames = Frames::default();
        let chunks = STREAM.as_bytes().chunks(cuts);
        chunks
            .flat_map(|chunk| frames.feed(chunk).unwrap())
            .collect()
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let whole = all(STREAM.len());
        assert_eq!(
            whole.len(),
            2,
            "a comment and an event without data are none"
        );
        assert_eq!(whole[0].name, "decision");
        assert_eq!(whole[0].id, "a-1");
        assert_eq!(whole[0].data, "{\"x\":\n1}");
        assert_eq!(whole[1].name, "");
        for cuts in 1..STREAM.len() {
            assert_eq!(all(cuts), whole, "cut every {cuts} bytes");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_and_not_kept() {
        let mut frames = Frames::default();
        let megabyte = vec![b'x'; 1 << 20];
        let fed = (0..64).find_map(|_| frames.feed(&megabyte).err());
        assert!(fed.is_some_and(|says| says.contains("16 MiB")));
    }
}
