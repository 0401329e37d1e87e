package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
)

// Bytes of a request: as many as a request of containerd's client has on the wire, with what it grants.
const request = 182

// bare asks a server that puts nothing around the bytes (tests/src/bin/bare.rs): SOCKET PID SIZE [ROUNDS].
func bare(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: reads bare SOCKET PID SIZE [ROUNDS]")
	}
	size, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil || size < 1 {
		return fmt.Errorf("SIZE is %q: give a number above 0", args[2])
	}
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := make([]byte, habit)
	ask := func(offset, len int64) error {
		var message [request]byte
		binary.LittleEndian.PutUint64(message[:], uint64(offset))
		binary.LittleEndian.PutUint64(message[8:], uint64(len))
		_, err := conn.Write(message[:])
		return err
	}
	take := func(len int64) error {
		for len > 0 {
			n, err := io.ReadFull(conn, buffer[:min(len, habit)])
			if err != nil {
				return err
			}
			len -= int64(n)
		}
		return nil
	}
	read := func(piece int64) (int64, error) {
		for offset := int64(0); offset < size; offset += piece {
			len := min(piece, size-offset)
			if err := ask(offset, len); err != nil {
				return offset, err
			}
			if err := take(len); err != nil {
				return offset, err
			}
		}
		return size, nil
	}
	whole := func() (int64, error) { return read(size) }
	pieces := func() (int64, error) { return read(habit) }
	return compare(args[1], size, args[3:], whole, pieces)
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
