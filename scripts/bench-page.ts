import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { shown } from '../bench/lib/numbers.ts'
import { type Figure, isMet, type Result, readResults } from '../bench/lib/results.ts'
import { code, table } from './markdown.ts'

/**
 * From `<!-- figures: cli list -->` to `<!-- end -->`: the figures of these benchmarks in the file of results. With `tables`
 * instead of `figures` it is what the benchmarks print.
 */
const place = /(<!-- (figures|tables): ([\w -]+) -->\n)([\s\S]*?)(<!-- end -->)/g

const aimOf = ({ limit, sense, unit }: Figure): string =>
  limit === undefined ? '–' : `${sense === 'at most' ? '≤' : '≥'} ${limit.toLocaleString('en-US')}${unit}`

/** The median, and how far the rounds are apart. */
const measuredOf = (figure: Figure): string => {
  const { measured, rounds, unit } = figure
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)].map(shown)
  const spread = rounds.length > 1 && least !== most ? ` (${least}–${most})` : ''
  return `${shown(measured)}${unit}${spread}${isMet(figure) ? '' : ', missed'}`
}

const circumstancesOf = ({ at, cores, cpu, node, postgres, isQuick }: Result, commits: string): string =>
  `Measured on ${at.slice(0, 10)} at ${commits}${isQuick ? ' with `--quick`' : ''}: ${cores} cores (${cpu.trim()}), Node ` +
  `${node}, PostgreSQL ${postgres.split('.').slice(0, 2).join('.')}.`

const figuresOf = (results: Result[], isOne: boolean): string => {
  const rows = results.flatMap(({ bench, figures }) =>
    figures.map((figure) => [...(isOne ? [] : [code(bench)]), figure.name, aimOf(figure), measuredOf(figure)]),
  )
  const commits = [...new Set(results.map(({ commit }) => commit))].join(', ')
  const measured = [...new Set(results.map((result) => circumstancesOf(result, commits)))].join(' ')
  return [
    table([...(isOne ? [] : ['benchmark']), 'figure', 'aim', 'measured'], rows),
    `${measured} Brackets have the least and the most of the rounds.`,
  ].join('\n\n')
}

const tablesOf = (results: Result[]): string =>
  results
    .flatMap(({ tables }) => tables)
    .map(({ title, rows: [head = [], ...rows] }) => {
      const cells = rows.map((row) => row.map((one) => (typeof one === 'number' ? shown(one) : one)))
      return `${title}:\n\n${table(head.map(String), cells)}`
    })
    .join('\n\n')

const checkNames = (root: string, names: string[]): void => {
  const unknown = names.find((name) => !existsSync(join(root, `bench/${name}.ts`)))
  if (unknown) throw new Error(`docs/benchmarks.md shows "${unknown}", and there is no such benchmark`)
}

/**
 * The page of benchmarks with its tables from `bench/results.json`. The rest of the page stays as it is, and so does a table
 * of benchmarks that the file has no results of.
 */
export const benchPage = (root: string): string => {
  const measured = readResults(join(root, 'bench/results.json')).filter(({ error, skipped }) => !error && !skipped)
  return readFileSync(join(root, 'docs/benchmarks.md'), 'utf8').replace(place, (all, begin, kind, list, _, end) => {
    const names: string[] = list.split(' ')
    checkNames(root, names)
    const results = names.flatMap((name) => measured.filter(({ bench }) => bench === name))
    if (results.length === 0) return all
    return `${begin}\n${kind === 'tables' ? tablesOf(results) : figuresOf(results, names.length === 1)}\n\n${end}`
  })
}
