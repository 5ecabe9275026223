// The process that transforms, parses and renders what strangers have written. It ends with the server.
import { messageOf } from '../../lib/errors.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { mostShapedCharacters, type Shaped, type ShapeWork } from './shape.ts'

const resultOf = async (work: ShapeWork): Promise<unknown> => {
  switch (work.kind) {
    case 'transform':
      return (await import('./evaluate.ts')).evaluate(work.expression, JSON.parse(work.input))
    case 'expressions': {
      const { expressionFault } = await import('./evaluate.ts')
      return work.expressions.map((expression) => expressionFault(expression) ?? null)
    }
    case 'items':
      return (await import('./items.ts')).shapeItems(JSON.parse(work.input))
    case 'parse':
      return (await import('./read-document.ts')).readDocument(work)
    case 'html':
      return (await import('./write-document.ts')).markdownToHtml(work.markdown, work.title)
    case 'csv':
      return (await import('./write-document.ts')).itemsToCsv(JSON.parse(work.input), work.columns)
    case 'json':
      return `${JSON.stringify(JSON.parse(work.input), null, 2)}\n`
    case 'jsonl':
      return (JSON.parse(work.input) as unknown[]).map((item) => `${JSON.stringify(item)}\n`).join('')
  }
}

const shaped = async (work: ShapeWork): Promise<Shaped> => {
  try {
    const text = JSON.stringify(await resultOf(work)) ?? 'null'
    if (text.length > mostShapedCharacters) {
      return { problem: `the result has more than ${byteSize(mostShapedCharacters)}` }
    }
    if (isDeeperThan(text, maxJsonDepth)) return { problem: `the result is nested deeper than ${maxJsonDepth} levels` }
    return { text }
  } catch (error) {
    if (error instanceof RangeError) return { problem: 'it is nested too deeply, or too large for one text' }
    return { problem: messageOf(error).slice(0, 1_000) }
  }
}

process.on('message', (work) => {
  void shaped(work as ShapeWork).then((answer) => process.send?.(answer))
})
process.on('disconnect', () => process.exit())
