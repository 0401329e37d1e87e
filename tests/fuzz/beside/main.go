// Reads archives as Go's archive/tar does, by which containerd, Docker and skopeo read layers: for each
// archive on standard input (length as four bytes, big endian, then its bytes) a line of JSON.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"strings"
)

// Bodies of more bytes are not told.
const most = 1 << 20

type entry struct {
	Name, Link, Body  []byte
	Flag              byte
	Size              int64
	Mode, Secs, Nanos int64
	Uid, Gid          int
	Major, Minor      int64
	Xattrs            map[string][]byte
}

type listing struct {
	Error   string
	Entries []entry
}

func read(archive []byte) (list listing) {
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			list.Error = err.Error()
			return list
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		one := entry{Name: []byte(header.Name), Link: []byte(header.Linkname), Flag: header.Typeflag,
			Size: header.Size, Mode: header.Mode, Uid: header.Uid, Gid: header.Gid,
			Major: header.Devmajor, Minor: header.Devminor,
			Secs: header.ModTime.Unix(), Nanos: int64(header.ModTime.Nanosecond()), Xattrs: map[string][]byte{}}
		for key, value := range header.PAXRecords {
			if name := strings.TrimPrefix(key, "SCHILY.xattr."); name != key {
				one.Xattrs[name] = []byte(value)
			}
		}
		if header.Size <= most {
			one.Body, err = io.ReadAll(reader)
			if err != nil {
				list.Error = err.Error()
				return list
			}
		}
		list.Entries = append(list.Entries, one)
	}
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		var length uint32
		if binary.Read(in, binary.BigEndian, &length) != nil {
			return
		}
		archive := make([]byte, length)
		if _, err := io.ReadFull(in, archive); err != nil {
			return
		}
		if encoder.Encode(read(archive)) != nil || out.Flush() != nil {
			return
		}
	}
}
