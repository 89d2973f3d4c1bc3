import { describe, expect, test } from "bun:test";
import { addressText, parseBrokerAddress } from "../../../shared/kafka/settings.ts";

describe("parseBrokerAddress()", () => {
  test.each([
    ["kafka:9092", "kafka", 9092],
    ["kafka", "kafka", 9092],
    [" kafka-0.kafka.ns.svc:19092 ", "kafka-0.kafka.ns.svc", 19_092],
    ["10.0.0.1:1", "10.0.0.1", 1],
    ["[::1]:9093", "::1", 9093],
    ["[fd00::1]", "fd00::1", 9092],
    ["fd00::1", "fd00::1", 9092],
    ["kafka:65535", "kafka", 65_535],
  ])("takes %p", (text, host, port) => {
    expect(parseBrokerAddress(text)).toEqual({ host, port });
  });

  test.each([
    "",
    ":9092",
    "kafka:",
    "kafka:0",
    "kafka:65536",
    "kafka:x",
    "a b:1",
    "http://kafka:1",
    "[::1",
    "[]:1",
  ])("refuses %p", (text) => {
    expect(parseBrokerAddress(text)).toBeUndefined();
  });
});

describe("addressText()", () => {
  test("puts brackets around IPv6", () => {
    expect(addressText({ host: "::1", port: 1 })).toBe("[::1]:1");
    expect(addressText({ host: "kafka", port: 1 })).toBe("kafka:1");
  });
});
