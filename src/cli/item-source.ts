import { basename } from 'node:path'
import { AppError } from '../lib/errors.ts'
import { isObject, parsedJson } from '../lib/json-object.ts'
import { filePart, readJson, readText } from './inputs.ts'
import type { Session } from './session.ts'

/** For the help of a command that takes items. */
export const itemsMeaning = `Items: a .csv file with a header (a column name:json holds JSON), a .jsonl file with one JSON object a line, a .json
file with a list of objects, or - for JSON lines from stdin. The members of an item are parameters of its run.`

type Item = Record<string, unknown>

/** Items as a batch or an evaluation takes them. */
export type ItemSource = { items: Item[] } | { file_path: string }

const itemsIn = (value: unknown, path: string): Item[] => {
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) return value
  throw new AppError('invalid', `${path}: expected a list of objects, such as [{"text": "hello"}]`)
}

const itemsOfLines = (text: string): Item[] =>
  text.split('\n').flatMap((line, at): Item[] => {
    if (line.trim() === '') return []
    const item = parsedJson(line)
    if (isObject(item)) return [item]
    throw new AppError('invalid', `Line ${at + 1} of stdin is not a JSON object`, {
      hint: 'One object a line, such as {"text": "hello"}.',
    })
  })

/**
 * Where the items come from: a CSV or JSON lines file of this machine, which is uploaded; a JSON file with a list; or
 * stdin (`-`), as JSON lines or a list.
 */
export const itemSource = async ({ client }: Session, collection: string, path: string): Promise<ItemSource> => {
  if (path === '-') {
    const text = readText(path)
    const value = parsedJson(text)
    return { items: Array.isArray(value) ? itemsIn(value, 'stdin') : itemsOfLines(text) }
  }
  if (basename(path).toLowerCase().endsWith('.json')) return { items: itemsIn(readJson(path), path) }
  const { file_paths } = await client.uploadSandboxFiles({
    body: { collection },
    files: [await filePart('files', path)],
  })
  return { file_path: file_paths[0] ?? '' }
}
