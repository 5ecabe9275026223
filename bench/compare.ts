/**
 * What got worse between two files of `bench -- all`, beyond the noise of their rounds: `bench -- compare OLD NEW`. The
 * exit code is 1 if something got worse or failed, 2 if a file has no results.
 */
import { type Change, compareResults } from './lib/compare.ts'
import { shown } from './lib/numbers.ts'
import { readResults } from './lib/results.ts'

const [old, fresh] = process.argv.slice(2).map(readResults)
if (!old?.length || !fresh?.length) {
  process.stderr.write('Two files with results are needed: npm run bench -- compare OLD NEW\n')
  process.exit(2)
}
const print = (text: string) => process.stdout.write(`${text}\n`)
const lineOf = ({ bench, name, before, after, change, noise }: Change): string => {
  const percent = Number.isFinite(change) ? `${shown(Math.abs(change) * 100)} %` : 'from zero'
  return `${bench}: ${name}: ${before} → ${after} (${percent}, noise ${shown(noise * 100)} %)`
}

const { changes, failed, missing, differences } = compareResults(old, fresh)
for (const one of differences) print(`different: ${one}; only ratios can be compared`)
for (const verdict of ['worse', 'better'] as const) {
  for (const change of changes) if (change.verdict === verdict) print(`${verdict.toUpperCase()}  ${lineOf(change)}`)
}
for (const bench of failed) print(`FAILED  ${bench}`)
for (const text of missing) print(`missing  ${text}`)
const worse = changes.filter(({ verdict }) => verdict === 'worse').length
print(`${changes.length} figures compared, ${worse} worse, ${failed.length} benchmarks failed`)
process.exitCode = worse + failed.length > 0 ? 1 : 0
