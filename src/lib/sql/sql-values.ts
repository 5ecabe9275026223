import { isDeeperThan, maxJsonDepth } from '../json/json-text.ts'

/** The types of PostgreSQL that have a counterpart in JSON, or another form than their text, by OID. */
const typesByOid: Record<number, string> = {
  16: 'bool',
  17: 'bytea',
  20: 'int8',
  21: 'int2',
  23: 'int4',
  25: 'text',
  26: 'oid',
  114: 'json',
  700: 'float4',
  701: 'float8',
  1042: 'bpchar',
  1043: 'varchar',
  1082: 'date',
  1083: 'time',
  1114: 'timestamp',
  1184: 'timestamptz',
  1186: 'interval',
  1700: 'numeric',
  2950: 'uuid',
  3802: 'jsonb',
}

/** Arrays of those types, by OID. */
const elementsByOid: Record<number, number> = {
  ...{ 1000: 16, 1001: 17, 1016: 20, 1005: 21, 1007: 23, 1009: 25, 1028: 26, 199: 114, 1021: 700, 1022: 701 },
  ...{ 1014: 1042, 1015: 1043, 1182: 1082, 1183: 1083, 1115: 1114, 1185: 1184, 1187: 1186, 1231: 1700, 2951: 2950 },
  ...{ 3807: 3802 },
}

/** Name of a type: `int4`, `text[]`, or `oid 16402` for one of the database's own. */
export const typeName = (oid: number): string => {
  const element = elementsByOid[oid]
  if (element !== undefined) return `${typesByOid[element]}[]`
  return typesByOid[oid] ?? `oid ${oid}`
}

/** A number if JSON keeps each digit of it, otherwise the text. */
const exactNumber = (text: string): number | string => {
  const digits = text.replace(/^-/, '').replace('.', '').replace(/^0+/, '').length
  return digits <= 15 && Number.isFinite(Number(text)) ? Number(text) : text
}

const safeInteger = (text: string): number | string => (Number.isSafeInteger(Number(text)) ? Number(text) : text)

const floating = (text: string): number | string => (Number.isFinite(Number(text)) ? Number(text) : text)

const dateTime = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d(?::\d\d)?)?$/

/** ISO 8601; with a zone in UTC, microseconds kept. Years beyond four digits and infinity stay as they are. */
const isoTime = (text: string): string => {
  const [, day, time, fraction = '', zone] = dateTime.exec(text) ?? []
  if (day === undefined) return text
  if (zone === undefined) return `${day}T${time}${fraction}`
  const utc = new Date(`${day}T${time}${zone.length === 3 ? `${zone}:00` : zone}`)
  return Number.isNaN(utc.getTime()) ? text : `${utc.toISOString().slice(0, 19)}${fraction}Z`
}

const parseJson = (text: string): unknown => {
  if (isDeeperThan(text, maxJsonDepth)) throw new Error(`JSON that is nested deeper than ${maxJsonDepth} levels`)
  return JSON.parse(text)
}

const decoders: Record<string, (text: string) => unknown> = {
  bool: (text) => text === 't',
  bytea: (text) => Buffer.from(text.slice(2), 'hex').toString('base64'),
  int8: safeInteger,
  int2: Number,
  int4: Number,
  oid: Number,
  json: parseJson,
  jsonb: parseJson,
  float4: floating,
  float8: floating,
  timestamp: isoTime,
  timestamptz: isoTime,
  numeric: exactNumber,
}

/** More than PostgreSQL has; a hostile server may nest without end. */
const mostDimensions = 16

/** Reads the text form of an array: `{1,NULL,"a,b",{…}}`. */
const readArray = (text: string, element: (text: string) => unknown): unknown => {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0 // lower bounds that are not 1
  const quoted = (): string => {
    let value = ''
    for (at += 1; at < text.length && text[at] !== '"'; at += 1) {
      if (text[at] === '\\') at += 1
      value += text[at] ?? ''
    }
    at += 1
    return value
  }
  const list = (depth: number): unknown[] => {
    if (depth > mostDimensions) throw new Error('an array with too many dimensions')
    const items: unknown[] = []
    for (at += 1; at < text.length && text[at] !== '}'; ) {
      if (text[at] === '{') items.push(list(depth + 1))
      else if (text[at] === '"') items.push(element(quoted()))
      else {
        const from = at
        while (at < text.length && text[at] !== ',' && text[at] !== '}') at += 1
        const plain = text.slice(from, at)
        items.push(plain === 'NULL' ? null : element(plain))
      }
      if (text[at] === ',') at += 1
    }
    at += 1
    return items
  }
  return text[at] === '{' ? list(1) : text
}

const asItIs = (text: string): string => text

/** A function that reads values of a type; types of the database's own stay text. */
export const decoderOf = (oid: number): ((text: string) => unknown) => {
  const element = elementsByOid[oid]
  if (element !== undefined) {
    const decode = decoders[typesByOid[element] ?? ''] ?? asItIs
    return (text) => readArray(text, decode)
  }
  return decoders[typesByOid[oid] ?? ''] ?? asItIs
}

const isJsonOrText = (oid: number): boolean => /^(json|jsonb|text|varchar|bpchar)$/.test(typesByOid[oid] ?? '')

const arrayText = (items: readonly unknown[], elementOid: number | undefined): string =>
  `{${items
    .map((item) => {
      if (item === null || item === undefined) return 'NULL'
      if (Array.isArray(item) && !/^jsonb?$/.test(typesByOid[elementOid ?? 0] ?? '')) return arrayText(item, elementOid)
      return `"${scalarText(item).replace(/["\\]/g, '\\$&')}"`
    })
    .join(',')}}`

const scalarText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)

/** The text of a value for a parameter of a type: lists are arrays, or JSON where that is expected. */
export const encodeParameter = (value: unknown, oid: number): string | null => {
  if (value === null || value === undefined) return null
  if (/^jsonb?$/.test(typesByOid[oid] ?? '')) return JSON.stringify(value)
  if (Array.isArray(value) && !isJsonOrText(oid)) return arrayText(value, elementsByOid[oid])
  return scalarText(value)
}
