package health

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// speakGRPC asks grpc.health.v1 on a connection that is encrypted already where
// the check wants that.
func speakGRPC(ctx context.Context, conn net.Conn, check Check, endpoint netip.AddrPort) error {
	dial := handOver(conn)
	client, err := grpc.NewClient("passthrough:///"+check.Address(endpoint).String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return dial(ctx, "tcp", addr)
		}),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := grpc_health_v1.NewHealthClient(client).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: check.GRPCService})
	if err != nil {
		return fmt.Errorf("grpc status %s", status.Code(err))
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("grpc health %s", answer.Status)
	}
	return nil
}

// handOver dials by handing over a connection once.
func handOver(conn net.Conn) Dialer {
	var used atomic.Bool
	return func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, net.ErrClosed
		}
		return conn, nil
	}
}
