module ledgertap.example/client

go 1.17
