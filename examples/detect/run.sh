#!/bin/sh
# run.sh - the discriminators of docs/study/detect.md: which head finds how many damaged tokens?
#
#   examples/detect/run.sh OUT [hidi]   from the top of the repository; about 25 minutes on two cores
#
# Leaves OUT/kK-sSEED/detection.csv, and all rows together in OUT/detection.csv.
set -eu
out=$1
hidi=${2:-build/hidi}
heads="gap token conv top top:k=4 awd awd:queries=4 awd:mean=0.5 awd:temperature=0.3"
heads="$heads awd:conditional apt apt:queries=4"
mkdir -p "$out"
for k in 1 4 16; do
    for seed in 1 2 3; do
        "$hidi" detect --preset shapes --teacher data/shapes-teacher.safetensors --seed $seed \
            --set detect.steps=1000 --set detect.damaged=$k --set "detect.heads=$heads" \
            --out "$out/k$k-s$seed"
    done
done
awk 'FNR > 1 || NR == 1' "$out"/k*-s*/detection.csv >"$out/detection.csv"
