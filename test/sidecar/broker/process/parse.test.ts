import { describe, expect, test } from "bun:test";
import {
  connectionsTo,
  ioBytes,
  kafkaProgram,
  listenerPorts,
  listeningRows,
  propertiesPath,
} from "../../../../sidecar/broker/process/parse.ts";
import { commandLine } from "./recorded-files.ts";

const SETTINGS = "/opt/kafka/config/server.properties";

describe("kafkaProgram()", () => {
  const kafkas = [
    ["a class path", ["java", "-Xmx1g", "-cp", "/opt/*:kafka.Kafka", "kafka.Kafka", SETTINGS]],
    ["a path to java", ["/usr/lib/jvm/bin/java", "-server", "-Dx=y", "kafka.Kafka", SETTINGS]],
    ["an argument file", ["java", "@jvm.args", "kafka.Kafka", SETTINGS]],
    ["options with values", ["java", "--add-opens", "a/b=c", "--class-path", "l", "kafka.Kafka"]],
    ["Apache's wrapper", ["java", "-cp", "l", "kafka.docker.KafkaDockerWrapper", "setup"]],
    ["the native image", ["/opt/kafka/kafka.Kafka", "start", "--config", SETTINGS]],
    ["Confluent's", ["java", "-cp", "l", "io.confluent.support.metrics.SupportedKafka", SETTINGS]],
  ] as const;
  test.each(kafkas)("knows Kafka with %s", (_, words) => {
    expect(kafkaProgram(commandLine(...words))).toBeDefined();
  });

  const others = [
    ["another main class", ["java", "-cp", "kafka.Kafka", "org.example.Main", "kafka.Kafka"]],
    ["Kafka's tools", ["java", "-cp", "l", "kafka.tools.StorageTool", "format"]],
    ["a jar", ["java", "-jar", "kafka.jar", "kafka.Kafka"]],
    ["a shell around it", ["sh", "-c", "java -cp l kafka.Kafka server.properties"]],
    ["java alone", ["java", "-version"]],
    ["a kernel thread", []],
    ["our own", ["/usr/local/bin/sidecar", "broker"]],
  ] as const;
  test.each(others)("does not take %s for Kafka", (_, words) => {
    expect(kafkaProgram(commandLine(...words))).toBeUndefined();
  });
});

describe("listenerPorts()", () => {
  const program = { name: "kafka.Kafka", args: [SETTINGS] };
  const rows = [
    ["listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n", [9092, 9093]],
    ["# listeners=A://:1\nlisteners = A://[::1]:19092 , B://0.0.0.0:19093\n", [19_092, 19_093]],
    ["advertised.listeners=A://host:9092\n", undefined],
    ["listeners=\n", undefined],
    ["", undefined],
  ] as const;
  test.each(rows)("reads %j", (text, ports) => {
    expect(listenerPorts(program, text)).toEqual(ports === undefined ? ports : [...ports]);
  });
  test("lets the command line win", () => {
    const args = [SETTINGS, "--override", "listeners=A://:7000"];
    expect(listenerPorts({ ...program, args }, "listeners=A://:9092")).toEqual([7000]);
  });
});

describe("propertiesPath()", () => {
  test("finds the settings among the arguments", () => {
    expect(propertiesPath({ name: "kafka.Kafka", args: ["start", SETTINGS] })).toBe(SETTINGS);
    expect(propertiesPath({ name: "kafka.Kafka", args: [] })).toBeUndefined();
  });
});

describe("connectionsTo()", () => {
  const row = (local: string, state: string, received: string, inode: number) =>
    `   0: ${local} 0100007F:D431 ${state} 00000000:${received} 00:00000000 00000000 1000 0 ${inode} 1`;
  const PORT = "0100007F:2384";
  test.each([
    ["what waits in the row that listens", [row(PORT, "0A", "00000011", 7)], [17, 0, 0]],
    ["one that is served, and read", [row(PORT, "01", "00000000", 7)], [0, 1, 0]],
    ["one that is served, and left unread", [row(PORT, "01", "0000002A", 7)], [0, 1, 1]],
    ["one whose other side has ended it", [row(PORT, "08", "00000000", 7)], [0, 1, 1]],
    ["none that Kafka has not taken", [row(PORT, "01", "0000002A", 0)], [0, 0, 0]],
    ["none of another port", [row("0100007F:2385", "01", "0000002A", 7)], [0, 0, 0]],
    ["none that both sides have ended", [row(PORT, "06", "00000000", 0)], [0, 0, 0]],
    ["nothing of nothing", [], [0, 0, 0]],
  ] as const)("counts %s", (_, rows, [waiting, served, unread]) => {
    expect(connectionsTo(rows.join("\n"), 9092)).toEqual({ waiting, served, unread });
  });
});

describe("listeningRows()", () => {
  const row = (address: string, state = "0A") =>
    `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 1000 0 4711 1`;
  test.each([
    ["0100007F:2384", "127.0.0.1", 9092],
    ["00000000:0050", "0.0.0.0", 80],
    ["00000000000000000000000001000000:2384", "::1", 9092],
    ["00000000000000000000000000000000:2384", "::", 9092],
    ["000000FD000000000000000001000000:2384", "fd00::1", 9092],
    ["0000000000000000FFFF00000100007F:2384", "::ffff:7f00:1", 9092],
  ])("reads %s", (address, host, port) => {
    expect(listeningRows(row(address))).toEqual([{ socket: "socket:[4711]", host, port }]);
  });
  test("leaves out what does not listen", () => {
    expect(listeningRows(row("0100007F:2384", "01"))).toEqual([]);
    expect(listeningRows("")).toEqual([]);
  });
});

describe("ioBytes()", () => {
  test("adds what was read and written by calls", () => {
    const text = "rchar: 1000\nwchar: 23\nsyscr: 9\nsyscw: 9\nread_bytes: 4096\nwrite_bytes: 0\n";
    expect(ioBytes(text)).toBe(1023);
    expect(ioBytes("")).toBeUndefined();
  });
});
