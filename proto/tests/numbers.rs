//! The numbers of fields that containerd's API got late, after 1.6: an old client never sends them, so that no
//! conversation with one would show a wrong one. As in containerd's api/ of 2.4.

#![allow(clippy::unwrap_used, reason = "of tests")]

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

const LATE: [(&str, &str, &str, i32); 20] = [
    ("services.images.v1", "CreateImageRequest", "source_date_epoch", 2),
    ("services.images.v1", "UpdateImageRequest", "source_date_epoch", 3),
    ("services.images.v1", "DeleteImageRequest", "target", 3),
    ("services.diff.v1", "ApplyRequest", "sync_fs", 4),
    ("services.diff.v1", "DiffRequest", "source_date_epoch", 6),
    ("services.snapshots.v1", "CommitSnapshotRequest", "parent", 5),
    ("services.containers.v1", "Container", "sandbox", 11),
    ("services.introspection.v1", "ServerResponse", "pid", 2),
    ("services.introspection.v1", "ServerResponse", "pidns", 3),
    ("services.introspection.v1", "ServerResponse", "deprecations", 4),
    ("services.introspection.v1", "PluginInfoRequest", "options", 3),
    ("services.introspection.v1", "PluginInfoResponse", "extra", 2),
    ("services.introspection.v1", "DeprecationWarning", "last_occurrence", 3),
    ("types", "Mount", "target", 3),
    ("types", "Descriptor", "annotations", 5),
    ("types", "Platform", "os_version", 4),
    ("types", "Platform", "os_features", 5),
    ("events", "SnapshotPrepare", "snapshotter", 5),
    ("events", "SnapshotCommit", "snapshotter", 5),
    ("events", "SnapshotRemove", "snapshotter", 5),
];

fn message(files: &FileDescriptorSet, package: &str, name: &str) -> Option<DescriptorProto> {
    let of_package = files.file.iter().filter(|file| file.package() == package);
    of_package.flat_map(|file| &file.message_type).find(|message| message.name() == name).cloned()
}

#[test]
fn the_fields_that_came_late_have_containerds_numbers() {
    let files = FileDescriptorSet::decode(varve_proto::DESCRIPTORS).unwrap();
    for (package, name, field, number) in LATE {
        let message = message(&files, &format!("containerd.{package}"), name);
        let message = message.unwrap_or_else(|| panic!("{package}.{name} is not there"));
        let found = message.field.iter().find(|one| one.name() == field);
        assert_eq!(found.map(|one| one.number()), Some(number), "{package}.{name}.{field}");
    }
}
