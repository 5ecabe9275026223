import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { benchPage } from '../../scripts/bench-page.ts'
import type { Result } from './results.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'jetty-bench-page-'))
  for (const folder of ['bench', 'docs']) mkdirSync(join(root, folder))
  for (const name of ['cli', 'list']) writeFileSync(join(root, `bench/${name}.ts`), '')
})
afterEach(() => rmSync(root, { recursive: true }))

const resultOf = (bench: string, rest: Partial<Result> = {}): Result => ({
  bench,
  figures: [{ name: 'p50', unit: ' ms', sense: 'at most', limit: 10, measured: 12, rounds: [11, 12, 13] }],
  tables: [
    {
      title: 'starts',
      rows: [
        ['', 'ms'],
        ['node', 40],
      ],
    },
  ],
  ...{ at: '2026-11-29T00:00:00Z', commit: 'abc', cpu: 'cpu', cores: 2, memoryGb: 8, system: 'linux x64' },
  ...{ node: '20.20.2', postgres: '18.4.0', isQuick: true, seconds: 1 },
  ...rest,
})

const pageOf = (kind: string, ...results: Result[]): string => {
  writeFileSync(join(root, 'docs/benchmarks.md'), `Before\n<!-- ${kind} -->\n\nby hand\n\n<!-- end -->\nafter\n`)
  writeFileSync(join(root, 'bench/results.json'), JSON.stringify({ results }))
  return benchPage(root)
}

describe('the page of benchmarks', () => {
  it('has the figures of one benchmark, with what was missed', () => {
    const page = pageOf('figures: cli', resultOf('cli'))
    expect(page).toContain(
      '| figure | aim | measured |\n| --- | --- | --- |\n| p50 | ≤ 10 ms | 12.0 ms (11.0–13.0), missed |',
    )
    expect(page).toContain(
      'Measured on 2026-11-29 at abc with `--quick`: 2 cores (cpu), Node 20.20.2, PostgreSQL 18.4.',
    )
    expect(page).not.toContain('by hand')
    expect(page).toMatch(/^Before\n[\s\S]*<!-- end -->\nafter\n$/)
  })

  it('names each of several, and leaves out those that failed or were skipped', () => {
    const page = pageOf('figures: cli list', resultOf('cli', { error: 'no' }), resultOf('list'))
    expect(page).toContain('| `list` | p50 |')
    expect(page).not.toContain('`cli`')
  })

  it('has what a benchmark printed', () => {
    expect(pageOf('tables: cli', resultOf('cli'))).toContain('starts:\n\n|  | ms |\n| --- | --- |\n| node | 40.0 |')
  })

  it.each([[], [resultOf('cli', { skipped: 'wrk missing' })]])('keeps a table that has no results', (...results) => {
    expect(pageOf('figures: cli', ...results)).toContain('by hand')
  })

  it('refuses a benchmark that does not exist', () => {
    expect(() => pageOf('figures: clo', resultOf('cli'))).toThrow('"clo", and there is no such benchmark')
  })
})
