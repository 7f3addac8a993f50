// Package wire holds the DHCPv6 messages as both sides use them: a bounded, forgiving decoder, an
// encoder, and the rules of RFC 9915, section 16, by which a receiver discards a message.
//
// It stands in front of github.com/insomniacslk/dhcp, whose message types, codes and encoders it
// uses. That library's decoder is not used on packets from strangers: it follows compression
// pointers (one crafted 1.4 kB Solicit costs 84 ms and 96 MB) and gives up a whole message for one
// bad option. Decode costs time and memory linear in the datagram, keeps DUIDs opaque and leaves out
// what is malformed but not needed.
package wire
