import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { parsedBytes } from './byte-size.ts'
import { homePath } from './home-path.ts'

/** Declares a setting, for `--help`, the reference page, validation and its error. */
export interface Setting<
  Schema extends z.ZodType = z.ZodType,
  Default extends string | undefined = string | undefined,
> {
  /** Environment variable. */
  variable: string
  description: string
  /** Default as written in the environment; undefined when the setting may stay unset. */
  default: Default
  example: string
  /** Secret values never appear in an error or a log. */
  secret: boolean
  /** Parses the variable's text. Its messages complete the sentence "JETTY_X must …". */
  schema: Schema
}

type Declared<Schema extends z.ZodType, Default extends string | undefined> = {
  variable: string
  description: string
  example: string
  schema: Schema
  secret?: boolean
  default?: Default
}

export const setting = <Schema extends z.ZodType, const Default extends string | undefined = undefined>(
  declared: Declared<Schema, Default>,
): Setting<Schema, Default> => ({ secret: false, ...declared, default: declared.default as Default })

/** Makes a schema from a parser that returns undefined for invalid text. */
export const reading = <T>(rule: string, read: (text: string) => T | undefined) =>
  z.string().transform((text, context): T => {
    const value = read(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: rule })
    return z.NEVER
  })

export const text = (rule: string, pattern = /\S/) =>
  reading(rule, (value) => (pattern.test(value) ? value : undefined))

export const wholeNumber = (minimum: number, maximum: number) =>
  reading(`be a whole number from ${minimum} to ${maximum}`, (value) => {
    const number = Number(value)
    return /^\d+$/.test(value) && number >= minimum && number <= maximum ? number : undefined
  })

export const dollars = () =>
  reading('be an amount in US dollars', (value) => (/^\d{1,9}(\.\d+)?$/.test(value) ? Number(value) : undefined))

/** A number with or without decimal places. */
export const decimal = (minimum: number, maximum: number) =>
  reading(`be a number from ${minimum} to ${maximum}`, (value) => {
    const number = Number(value)
    return /^\d{1,9}(\.\d{1,9})?$/.test(value) && number >= minimum && number <= maximum ? number : undefined
  })

const longestTimerSeconds = 2_147_483 // the limit of setTimeout

export const seconds = (minimum = 0) =>
  reading(`be a number of seconds from ${minimum} to ${longestTimerSeconds}`, (value) => {
    const number = Number(value)
    return /^\d+(\.\d+)?$/.test(value) && number >= minimum && number <= longestTimerSeconds ? number : undefined
  })

/** Bytes, as `parsedBytes` reads them. */
export const byteCount = () => reading('be a number of bytes, or one with a unit (KiB, MiB, GiB)', parsedBytes)

export const trueOrFalse = () =>
  reading('be true or false', (value) =>
    /^(true|1|yes|on)$/i.test(value) ? true : /^(false|0|no|off)$/i.test(value) ? false : undefined,
  )

export const oneOf = <const Words extends readonly string[]>(words: Words) =>
  reading(
    `be one of: ${words.join(', ')}`,
    (value) => words.find((word) => word === value) as Words[number] | undefined,
  )

export const folder = () =>
  reading('be the path of a folder', (value) => (value.includes('\0') ? undefined : homePath(value)))

export const webAddress = (rule: string, protocols: string[]) =>
  reading(rule, (value) => {
    if (!URL.canParse(value)) return undefined
    return protocols.includes(new URL(value).protocol) ? value : undefined
  })

/** An http or https URL without a trailing slash. */
export const baseUrl = () =>
  webAddress('be an http or https address', ['http:', 'https:']).transform((url) => url.replace(/\/+$/, ''))

const commaList = (value: string): string[] =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

/** Parses 32 bytes from base64 or 64 hex digits; undefined for anything else. */
const keyOf = (value: string): Buffer | undefined => {
  if (/^[0-9a-f]{64}$/i.test(value)) return Buffer.from(value, 'hex')
  const key = /^[\w+/-]{43}=?$/.test(value) ? Buffer.from(value, 'base64') : undefined
  return key?.length === 32 ? key : undefined
}

/** Comma-separated encryption keys, newest first. */
export const encryptionKeys = () =>
  reading('be 32 bytes as base64 or hex, or a comma-separated list of such keys, newest first', (value) => {
    const keys = commaList(value).map(keyOf)
    return keys.length > 0 && keys.every((key) => key !== undefined) ? keys : undefined
  })

/** Comma-separated names of environment variables, each once. */
export const variableNames = () =>
  reading('be a comma-separated list of names of environment variables', (value) => {
    const names = [...new Set(commaList(value))]
    return names.every((name) => /^[A-Za-z_]\w*$/.test(name)) ? names : undefined
  })

const isHostOrRange = (value: string): boolean => {
  if (value === '*') return true
  if (value.includes('/')) return ipaddr.isValidCIDR(value)
  if (ipaddr.isValid(value)) return true
  const [, ipv6, name, port] = /^(?:\[([^\]]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(value) ?? []
  return (ipv6 ? ipaddr.IPv6.isValid(ipv6) : Boolean(name)) && Number(port ?? 0) <= 65_535
}

/** Comma-separated `host`, `host:port`, address, CIDR range, or `*`. */
export const hostsAndRanges = () =>
  reading('be a comma-separated list of hosts, host:port, or CIDR ranges, or * for all', (value) => {
    const entries = commaList(value)
    return entries.every(isHostOrRange) ? entries : undefined
  })
