import { existsSync, readFileSync } from 'node:fs'

/** A figure of a benchmark, and its aim where it has one. */
export interface Figure {
  name: string
  unit: string
  /** What is better, and with `limit` the aim. */
  sense: 'at most' | 'at least'
  limit?: number
  /** Median of the rounds. */
  measured: number
  /** One value where the benchmark measures the figure only once. */
  rounds: number[]
}

/** What a benchmark prints with `--json`. */
export interface Measurement {
  bench: string
  figures: Figure[]
  tables: { title: string; rows: (string | number)[][] }[]
  /** Why it was not run here: what it needs is missing. */
  skipped?: string
}

/** Where and how a benchmark was run. */
export interface Circumstances {
  at: string
  commit: string
  cpu: string
  cores: number
  memoryGb: number
  system: string
  node: string
  postgres: string
  isQuick: boolean
}

/** A benchmark in a file of results. A failed one has its `error` and no figures, as has one that was skipped. */
export interface Result extends Measurement, Circumstances {
  seconds: number
  error?: string
}

/** The results of a file that `bench -- all` wrote; none if there is no such file. */
export const readResults = (path: string): Result[] =>
  existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { results: Result[] }).results : []

export const isMet = ({ sense, limit, measured }: Figure): boolean =>
  limit === undefined || (sense === 'at most' ? measured <= limit : measured >= limit)
