import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { otherFiles, otherPackages, parsers } from './parsers.ts'
import { programFiles, textOf } from './source-files.ts'

/** The best of so many counts. */
const tries = 15
/** What `known` takes where the limits hold as they are; they grow with it on slower machines. */
const knownMs = 3

/** Processor time of this thread so far, in milliseconds, where the system counts it: Linux (`man 5 proc`). */
const processorMs = (): number => {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    return Number.NaN
  }
}

/** The time of the thread: a busy machine adds to the time that passes, and other threads to that of the process. */
const threadMs = (work: () => unknown): number => {
  const begun = performance.now()
  const before = process.cpuUsage()
  const processorBefore = processorMs()
  work()
  const ofThread = processorMs() - processorBefore
  const { user, system } = process.cpuUsage(before)
  const most = Math.min(performance.now() - begun, (user + system) / 1000)
  return ofThread > 0 ? Math.min(ofThread, most) : most // a tick may be missing of a short time
}

/** The least time, as a machine takes for which `known` takes 3 ms: each count stands beside one of `known`. */
const leastOf = (measure: () => number, enoughMs: number): number => {
  let least = Number.POSITIVE_INFINITY
  for (let at = 0; at < tries && least > enoughMs; at++) {
    const before = threadMs(known)
    const ms = measure()
    least = Math.min(least, ms / Math.max(1, before / knownMs, threadMs(known) / knownMs))
  }
  return Math.round(least)
}

/** Work like that of parsers: characters, and objects made of them. */
const known = (): number => {
  let sum = 0
  const text = '{"a":[1,"b",{"c":null}]},'.repeat(9_000)
  for (let at = 0; at < text.length; at++) sum += text.charCodeAt(at)
  return sum + (JSON.parse(`[${text.slice(0, -1)}]`) as unknown[]).length
}

/** The longest piece of work that is done in pieces. */
const longestPiece = (pieces: Iterator<void>): number => {
  let longest = 0
  for (let isDone = false; !isDone; ) {
    longest = Math.max(
      longest,
      threadMs(() => {
        const end = performance.now() + 1
        do isDone = pieces.next().done === true
        while (!isDone && performance.now() < end) // the clock of CPU time is coarse for less
      }),
    )
  }
  return longest
}

const rows = Object.entries(parsers)

describe('what tenants write is read in the thread for 50 ms at most, or in a limited process', () => {
  it.each(rows)('%s', { timeout: 120_000 }, (name, { inThread = {}, inPieces = {}, mostMs = 50 }) => {
    const slow = [
      ...Object.entries(inThread).map(([input, work]) => [input, leastOf(() => threadMs(work), mostMs * 0.8)] as const),
      ...Object.entries(inPieces).map(
        ([input, make]) => [input, leastOf(() => longestPiece(make()), mostMs * 0.8)] as const,
      ),
    ]
    if (process.env.TEST_LOG) console.log(name, Object.fromEntries(slow))
    expect(slow.filter(([, ms]) => ms > mostMs)).toEqual([])
  })
})

const importers = new Map<string, string[]>()
for (const file of programFiles) {
  for (const [statement, to = ''] of textOf(file).matchAll(/(?:import|export)\b[^;'"]*?['"](\.[^'"]+)['"]/g)) {
    if (/^(import|export) type\b/.test(statement)) continue
    const path = posix.join(posix.dirname(file), to)
    importers.set(path, [...(importers.get(path) ?? []), file])
  }
}

/** Programs that load a file, other than limited processes and the command line, which reads files of its own user. */
const loadedBy = (file: string, seen = new Set<string>()): string[] => {
  if (seen.has(file) || file.endsWith('-process.ts') || /^src\/(cli|client)\//.test(file)) return []
  seen.add(file)
  const above = importers.get(file) ?? []
  return above.length === 0 ? [file] : above.flatMap((one) => loadedBy(one, seen))
}

it('what is not measured is loaded by limited processes alone', () => {
  const files = rows.flatMap(([, row]) => (row.inThread || row.inPieces ? [] : row.files))
  const found = files.map((file) => [file, loadedBy(`src/${file}`)] as const)
  expect(found.filter(([, by]) => by.length > 0)).toEqual([])
})

const listed = rows.flatMap(([, { files }]) => files)
const elsewhere = Object.values(otherFiles).flat()

describe('a new parser needs a row in test/house/parsers.ts', () => {
  it('as a package', () => {
    const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: Record<string, string> }
    const known = [...rows.flatMap(([, { packages = [] }]) => packages), ...Object.values(otherPackages).flat()]
    expect(known.toSorted()).toEqual(Object.keys(dependencies).toSorted())
  })

  it('as code of ours', () => {
    const isParser = (text: string) =>
      /export (const|function\*?|async function) (parse|decode|lex|match|compile|expand|fill|lint)[A-Z]/.test(text) ||
      /\bnew RegExp\(/.test(text)
    const found = programFiles
      .map((file) => file.replace(/^src\//, ''))
      .filter((file) => !/^(cli|client)\//.test(file) && isParser(textOf(`src/${file}`)))
    expect(found.filter((file) => !listed.includes(file) && !elsewhere.includes(file))).toEqual([])
  })

  it('and names files that are there', () => {
    const all = new Set(programFiles.map((file) => file.replace(/^src\//, '')))
    expect([...listed, ...elsewhere].filter((file) => !all.has(file))).toEqual([])
  })
})
