package health

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Loopback dials addresses of this machine alone: endpoints are made up more
// often than not, and what they name is somebody else's.
func Loopback(ctx context.Context, network, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	if !to.Addr().Unmap().IsLoopback() {
		return nil, errNotLoopback
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

var errNotLoopback = errors.New("not probed: not a loopback address")

// Mapped dials, for an address of one range, that of another with the same host
// part; other addresses as they are. Both ranges have one length and family.
func Mapped(from, to netip.Prefix, dial Dialer) (Dialer, error) {
	if from.Bits() != to.Bits() || from.Addr().Is4() != to.Addr().Is4() || !from.IsValid() || !to.IsValid() {
		return nil, errors.New("ranges of different lengths cannot be mapped")
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		if from.Contains(at.Addr()) {
			addr = netip.AddrPortFrom(twin(at.Addr(), to), at.Port()).String()
		}
		return dial(ctx, network, addr)
	}, nil
}

// twin is the address of a range with the host part of another address.
func twin(addr netip.Addr, in netip.Prefix) netip.Addr {
	host, network := addr.AsSlice(), in.Masked().Addr().AsSlice()
	for i := range network {
		mask := byte(0xff)
		if bits := in.Bits() - 8*i; bits >= 8 {
			mask = 0
		} else if bits > 0 {
			mask >>= bits
		}
		network[i] |= host[i] & mask
	}
	mapped, _ := netip.AddrFromSlice(network)
	return mapped
}
