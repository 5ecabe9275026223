import { accessSync, constants, openAsBlob, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { FilePart } from '../../client/client.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { isObject, jsonOrText } from '../../lib/json/json-object.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { type Economy, economies } from '../../model/workflows/economy.ts'
import { unreadableFile } from './file-problems.ts'

/** Reads a file; `-` is stdin. */
export const readInputText = (path: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw unreadableFile(path, error)
  }
}

/** Parses JSON; `path` names the file in the error. */
export const parseJsonFile = (path: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = messageOf(error).replace(/\s+/g, ' ') // the message quotes lines of the file
    throw new AppError('invalid', `${path === '-' ? 'stdin' : path} is not JSON: ${reason}`, {
      ...(path.endsWith('.md') && { hint: 'Deploy a runbook as a task with: jetty runbook deploy' }),
    })
  }
}

/** Reads a JSON file; an error names the position. */
export const readJson = (path: string): unknown => parseJsonFile(path, readInputText(path))

/** Opens a file for an upload, streamed from disk. */
export const filePart = async (field: string, path: string): Promise<FilePart> => {
  try {
    if (statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
    accessSync(path, constants.R_OK)
    return { field, name: basename(path), content: await openAsBlob(path) }
  } catch (error) {
    throw unreadableFile(path, error)
  }
}

/** Collects a repeatable option. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

/** Parses an option with fixed choices; repeatable when `before` is used. */
export const parseChoice = (choices: readonly string[]) => {
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

export const economyMeaning = 'batch: wait for batches of the providers, at about half the price (default: standard)'

/** Parses how models are called. */
export const parseEconomy = (text: string): Economy =>
  parseChoice(economies).once(text) === 'batch' ? 'batch' : 'standard'

/** Parses a whole number of at least 1. */
export const positive = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number of at least 1.')
  return value
}

/** Parses a non-negative number, such as 0.25. */
export const amount = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number such as 0.25.')
  return Number(text)
}

const assignedValue = (text: string): unknown => {
  if (text.startsWith('@@')) return text.slice(1)
  if (!text.startsWith('@')) return jsonOrText(text)
  const path = text.slice(1)
  return path.endsWith('.json') ? readJson(path) : readInputText(path)
}

interface Assignment {
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

/** Parses `name=text` without interpreting the text; `name=@file` reads a file, `name=@@x` means `@x`. */
export const parseTextAssignment = (text: string): [name: string, value: string] => {
  const [, name, value] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw new AppError('invalid', `Expected name=value, got ${JSON.stringify(text)}`, {
      hint: 'For example -p subject="Flood walls", or -p notes=@notes.txt',
    })
  }
  if (value.startsWith('@@')) return [name, value.slice(1)]
  return [name, value.startsWith('@') ? readInputText(value.slice(1)) : value]
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

/** Applies assignments to an object; a nested assignment keeps the neighbouring members. */
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
