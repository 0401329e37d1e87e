package conformance

import (
	"context"
	"time"

	"github.com/containerd/containerd/namespaces"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// How long a server may take to answer at its address.
const patience = 10 * time.Second

func dial(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	options = append(options, grpc.WithInsecure(), grpc.WithBlock())
	return grpc.DialContext(ctx, address, options...)
}

// within makes a connection's calls in this namespace, whichever they name.
func within(namespace string) []grpc.DialOption {
	in := func(ctx context.Context) context.Context {
		headers, _ := metadata.FromOutgoingContext(ctx)
		headers = headers.Copy()
		headers.Set(namespaces.GRPCHeader, namespace)
		return metadata.NewOutgoingContext(ctx, headers)
	}
	unary := func(ctx context.Context, method string, request, reply interface{}, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		return invoke(in(ctx), method, request, reply, conn, options...)
	}
	stream := func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		return open(in(ctx), desc, conn, method, options...)
	}
	return []grpc.DialOption{grpc.WithUnaryInterceptor(unary), grpc.WithStreamInterceptor(stream)}
}
