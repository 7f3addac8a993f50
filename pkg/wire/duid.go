package wire

// A DUID identifies a client or a server (RFC 9915, section 11). It is opaque: compared as a whole,
// kept and sent back byte for byte. The bytes are the string's, so that a DUID can be a map's key;
// the empty string is no DUID. String prints it in hex with colons.
type DUID string

// An IAID names an identity association of a client (RFC 9915, section 12).
type IAID uint32
