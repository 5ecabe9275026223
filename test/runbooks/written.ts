import { readFileSync } from 'node:fs'

/** A runbook of our own writing, as people write them. */
export const written = (name: 'strict' | 'rubric' | 'iterating' | 'loose' | 'bare'): string =>
  readFileSync(new URL(`./written/${name}.md`, import.meta.url), 'utf8')

/** The same with one part written otherwise. */
export const changed = (text: string, part: string | RegExp, instead: string): string => {
  const other = text.replace(part, () => instead)
  if (other === text) throw new Error(`nothing to change: ${part}`)
  return other
}
