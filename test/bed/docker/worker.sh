#!/bin/sh
# What a test's worker does, by its variable ACT (test/contract/runtime-subject.ts).
case ${ACT:-run} in
  run) exec sleep 100000 ;;
  ignore-term) trap '' TERM; while :; do sleep 0.5; done ;;
  exit-*) exit "${ACT#exit-}" ;;
  wait-for-file) until [ -e /tmp/release ]; do sleep 0.05; done; exit 5 ;;
  grandchild) sleep 100000 & exit 4 ;;
  print) for i in $(seq 300); do echo "line $i of $CLIENT_ID"; sleep 0.02; done ;;
  eat) sleep 1; all=x; while :; do all=$all$all; done ;;
esac
