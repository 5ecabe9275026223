import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import type { ReportFinding } from '../finding.ts'
import type { LinkedNode } from '../json-ld/linked-graph.ts'
import { isLanguageTag } from '../json-ld/literal.ts'
import { walkReferences } from '../json-ld/reader-walk.ts'
import { addError, type CroissantCheck, nodeLabel } from './check.ts'

const maxDepth = 100

type Fault = { pointer: string; rule: string; message: string; fix: string }

const error = (report: ReportFinding, fault: Fault): void => report({ severity: 'error', node: null, ...fault })

/** Checks what must be right before a document can be read as JSON-LD. Returns whether it can. */
export const checkDocument = (document: JsonObject, report: ReportFinding): boolean => {
  const isReadable = checkContext(document['@context'], report)
  return checkIds(document, report) && isReadable
}

const checkContext = (context: unknown, report: ReportFinding): boolean => {
  const parts = Array.isArray(context) ? context : [context ?? {}]
  const wrong = parts.findIndex((one) => !isObject(one))
  if (wrong < 0)
    return parts.every((one, index) =>
      checkEntries(one as JsonObject, Array.isArray(context) ? `/${index}` : '', report),
    )
  const isRemote = typeof parts[wrong] === 'string'
  error(report, {
    pointer: Array.isArray(context) ? `/@context/${wrong}` : '/@context',
    rule: 'context',
    message: isRemote
      ? `@context should be a dictionary. Contexts of other servers are not fetched: ${parts[wrong]}`
      : '@context should be a dictionary.',
    fix: 'Write the @context that the specification recommends into the document, as an object.',
  })
  return false
}

/** Checks the entries of a context that say something about all of it. */
const checkEntries = (context: JsonObject, place: string, report: ReportFinding): boolean => {
  const { '@vocab': vocabulary = null, '@language': language = null } = context
  const isVocabulary = vocabulary === null || typeof vocabulary === 'string'
  const isLanguage = language === null || (typeof language === 'string' && isLanguageTag(language))
  if (isVocabulary && isLanguage) return true
  error(report, {
    pointer: `/@context${place}/${isVocabulary ? '@language' : '@vocab'}`,
    rule: 'context',
    message: isVocabulary ? '@language is no language tag' : '@vocab is no IRI',
    fix: isVocabulary ? 'Write "@language": "en", or remove it.' : 'Write "@vocab": "https://schema.org/".',
  })
  return false
}

/** Checks the ids of all objects, also of those in data. Returns false where the document is nested too deeply. */
const checkIds = (document: JsonObject, report: ReportFinding): boolean => {
  const open: { value: unknown; place: (string | number)[] }[] = [{ value: document, place: [] }]
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, place } = next
    if (typeof value !== 'object' || value === null) continue
    if (place.length > maxDepth) {
      error(report, {
        pointer: jsonPointer(place),
        rule: 'depth',
        message: `The document has values in more than ${maxDepth} objects and lists`,
        fix: 'Nest less: refer to nodes by their "@id".',
      })
      return false
    }
    if (isObject(value) && Object.hasOwn(value, '@id')) checkId(value['@id'], jsonPointer([...place, '@id']), report)
    const entries = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [key, one] of entries) if (typeof one === 'object') open.push({ value: one, place: [...place, key] })
  }
  return true
}

const checkId = (id: unknown, pointer: string, report: ReportFinding): void => {
  if (typeof id === 'string' && !/\s/.test(id)) return
  error(report, {
    pointer,
    rule: 'id',
    message: `The dataset contains a wrong \`@id\`: '${String(id)}'. Note that currently we do not support \`@id\`s containing whitespaces (not even if URL-escaped).`,
    fix: 'Use a text without spaces, such as "my-table".',
  })
}

const walkFaults = {
  empty: (label: string) => ({
    rule: 'empty-node',
    message: `"${label}" is an object without content, which readers cannot load`,
    fix: 'Fill in the object, or remove the key that holds it.',
  }),
  repeated: (label: string, property = '') => ({
    rule: 'repeated-list',
    message: `"${label}" has a list of plain values under ${property}, and other nodes refer to it: the reference implementation cannot load that (github.com/mlcommons/croissant/issues/698)`,
    fix: 'Keep one value in the list; a file set with several patterns can be split into several file sets.',
  }),
  deep: (label: string) => ({
    rule: 'depth',
    message: `"${label}" is behind a chain of too many references`,
    fix: 'Let references lead to their target in fewer steps.',
  }),
  large: (label: string) => ({
    rule: 'size',
    message: `Readers that follow all references meet too many nodes at "${label}"`,
    fix: 'Remove references that are not needed.',
  }),
}

/** Reports what stops readers that follow all references, such as the reference implementation. */
export const checkWalk = (check: CroissantCheck, dataset: LinkedNode): void => {
  const { cr, sc } = check.vocabulary
  const listed = new Set([
    `${cr('field')} ${cr('RecordSet')}`,
    `${cr('recordSet')} ${sc('Dataset')}`,
    `${cr('subField')} ${cr('Field')}`,
    `${sc('distribution')} ${sc('Dataset')}`,
  ])
  const problems = walkReferences(check.graph, dataset, (property, type) => listed.has(`${property} ${type ?? ''}`))
  for (const { kind, node, property, pointer } of problems) {
    const subject = { node, path: nodeLabel(check, node) }
    addError(check, subject, { ...walkFaults[kind](nodeLabel(check, node), property), pointer })
  }
}
