import { accessSync, constants, openAsBlob, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { FilePart } from '../../client/client.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { unreadable } from './file-problems.ts'

/** A file's text; `-` is stdin. */
export const readText = (path: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** Parses a text as JSON; `path` names its file in the error. */
export const parseJson = (path: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = messageOf(error).replace(/\s+/g, ' ') // it quotes lines of the file
    throw new AppError('invalid', `${path === '-' ? 'stdin' : path} is not JSON: ${reason}`, {
      ...(path.endsWith('.md') && { hint: 'A runbook is made a task by: jetty runbook deploy' }),
    })
  }
}

/** A file as JSON; an error names the place where it stops to be JSON. */
export const readJson = (path: string): unknown => parseJson(path, readText(path))

/** A file of JSON as text, where order of keys and spelling of numbers matter; refused as `readJson` does. */
export const readJsonText = (path: string): { text: string; value: unknown } => {
  const text = readText(path).replace(/^\ufeff/, '')
  return { text, value: parseJson(path, text) }
}

/** A file to be sent, streamed from the disk. */
export const filePart = async (field: string, path: string): Promise<FilePart> => {
  try {
    if (statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
    accessSync(path, constants.R_OK)
    return { field, name: basename(path), content: await openAsBlob(path) }
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** Collects an option that may be given several times. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

/** An option with a few values, of which one was meant; several times where `before` is used. */
export const oneOf = (choices: readonly string[]) => {
  const checked = (value: string): string => {
    if (choices.includes(value)) return value
    const meant = nearest(value, choices)
    throw new InvalidArgumentError(`${meant ? `Did you mean ${meant}? ` : ''}It is one of: ${choices.join(', ')}.`)
  }
  return {
    once: checked,
    each: (value: string, before: string[] | undefined) => collect(checked(value), before),
  }
}

/** A whole number from 1 on. */
export const positive = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number from 1 on.')
  return value
}

/** A number that is not negative, such as 0.25. */
export const amount = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number such as 0.25.')
  return Number(text)
}

/** JSON where it is JSON (`5`, `true`, `[1,2]`, `"5"`), else the text itself. */
const jsonOrText = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const assignedValue = (text: string): unknown => {
  if (text.startsWith('@@')) return text.slice(1)
  if (!text.startsWith('@')) return jsonOrText(text)
  const path = text.slice(1)
  return path.endsWith('.json') ? readJson(path) : readText(path)
}

export interface Assignment {
  keys: string[]
  value: unknown
}

/** `name=value`; `a.b=1` sets a member, `k=@file` reads a file (.json as JSON), `k=@-` stdin, `k=@@x` means `@x`. */
export const parseAssignment = (text: string): Assignment => {
  const [, name, value] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? []
  if (name === undefined || value === undefined || name.split('.').includes('')) {
    throw new AppError('invalid', `Expected name=value, got ${JSON.stringify(text)}`, {
      hint: 'For example -p text=hello, -p limit=5, -p document=@report.txt or -p options.language=de',
    })
  }
  return { keys: name.split('.'), value: assignedValue(value) }
}

/** `name=text` as it is typed, digits and all; `name=@file` reads a file, `name=@@x` means `@x`. */
export const parseTextAssignment = (text: string): [name: string, value: string] => {
  const [, name, value] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw new AppError('invalid', `Expected name=value, got ${JSON.stringify(text)}`, {
      hint: 'For example -p subject="Flood walls", or -p notes=@notes.txt',
    })
  }
  if (value.startsWith('@@')) return [name, value.slice(1)]
  return [name, value.startsWith('@') ? readText(value.slice(1)) : value]
}

const assign = (into: Record<string, unknown>, keys: string[], value: unknown): void => {
  const [key = '', ...rest] = keys
  if (rest.length === 0) {
    Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true })
    return
  }
  const inner = Object.hasOwn(into, key) && isObject(into[key]) ? { ...into[key] } : {}
  assign(inner, rest, value)
  assign(into, [key], inner)
}

/** The object that assignments make, over what there is: of a member that is set, its neighbours stay. */
export const assembled = (
  assignments: Assignment[],
  presets: Record<string, unknown> = {},
): Record<string, unknown> => {
  const made: Record<string, unknown> = {}
  for (const { keys, value } of assignments) {
    const [first = ''] = keys
    if (keys.length > 1 && !Object.hasOwn(made, first) && isObject(presets[first])) made[first] = { ...presets[first] }
    assign(made, keys, value)
  }
  return made
}
