// Package conformance points containerd's own suites, through its stock clients, at whoever serves
// containerd's API: the program is built and given its addresses by run.sh.
package conformance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/content"
	contentproxy "github.com/containerd/containerd/content/proxy"
	contentsuite "github.com/containerd/containerd/content/testsuite"
	"github.com/containerd/containerd/leases"
	leasesproxy "github.com/containerd/containerd/leases/proxy"
	"github.com/containerd/containerd/namespaces"
	"github.com/containerd/containerd/plugin"
	"github.com/containerd/containerd/snapshots"
	snapshotsproxy "github.com/containerd/containerd/snapshots/proxy"
	snapshotsuite "github.com/containerd/containerd/snapshots/testsuite"
)

var (
	contentStore = flag.String("content-store", "", "`ADDRESS` of content and leases, as unix:///PATH")
	snapshotter  = flag.String("snapshotter", "", "`ADDRESS` of the snapshotters, as unix:///PATH")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *contentStore == "" || *snapshotter == "" {
		fmt.Fprintln(os.Stderr, "both -content-store and -snapshotter are needed; run.sh starts them and knows them")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func TestContent(t *testing.T) {
	store := func(ctx context.Context, _ string) (context.Context, content.Store, func() error, error) {
		conn, err := dial(*contentStore)
		if err != nil {
			return nil, nil, nil, err
		}
		ctx = contentsuite.SetContextWrapper(ctx, leased(leasesproxy.NewLeaseManager(leasesapi.NewLeasesClient(conn))))
		return ctx, contentproxy.NewContentStore(contentapi.NewContentClient(conn)), conn.Close, nil
	}
	contentsuite.ContentSuite(t, "varve", store)
	contentsuite.ContentCrossNSSharedSuite(t, "varve", store)
}

// Namespaces that were given out.
var count uint64

func newNamespace() string {
	return fmt.Sprintf("suite-%d", atomic.AddUint64(&count, 1))
}

// leased gives each test a namespace and a lease of its own; when the lease goes, all that it kept is
// collected before the next test begins.
func leased(manager leases.Manager) contentsuite.ContextWrapper {
	return func(ctx context.Context) (context.Context, func(context.Context) error, error) {
		ctx = namespaces.WithNamespace(ctx, newNamespace())
		lease, err := manager.Create(ctx, leases.WithRandomID())
		if err != nil {
			return nil, nil, err
		}
		done := func(ctx context.Context) error {
			return manager.Delete(ctx, lease, leases.SynchronousDelete)
		}
		return leases.WithLease(ctx, lease.ID), done, nil
	}
}

func TestSnapshots(t *testing.T) {
	names := snapshotters(t)
	if len(names) == 0 {
		t.Fatal("the server names no snapshotter")
	}
	for _, name := range names {
		name := name
		open := func(context.Context, string) (snapshots.Snapshotter, func() error, error) {
			// The suite's tests run at the same time in one namespace, though some use the same keys.
			conn, err := dial(*snapshotter, within(newNamespace())...)
			if err != nil {
				return nil, nil, err
			}
			client := snapshotsapi.NewSnapshotsClient(conn)
			return snapshotsproxy.NewSnapshotter(client, name), conn.Close, nil
		}
		t.Run(name, func(t *testing.T) { snapshotsuite.SnapshotterSuite(t, name, open) })
	}
}

// snapshotters asks the server for those that it has.
func snapshotters(t *testing.T) (names []string) {
	conn, err := dial(*snapshotter)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := &introspectionapi.PluginsRequest{Filters: []string{"type==" + plugin.SnapshotPlugin.String()}}
	plugins, err := introspectionapi.NewIntrospectionClient(conn).Plugins(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range plugins.Plugins {
		if it.InitErr == nil {
			names = append(names, it.ID)
		}
	}
	return names
}
