import type { z } from 'zod'
import type { Queries } from '../../database/database.ts'
import { bytes, jsonHeaders, Reply, tableTypes } from '../../http/reply.ts'
import { listText, textStream } from '../../http/text-stream.ts'
import type { BatchResult } from '../../model/runs/batch.ts'
import type { batchesContract } from './contract.ts'
import type { FoundBatch } from './facts.ts'
import { columnsOf, makeTableRow, sampledResults, tableHead } from './result-table.ts'
import { resultsOf } from './results.ts'

type Query = z.output<typeof batchesContract.getBatchResults.query>
type Read = (from: number, before: number) => AsyncGenerator<BatchResult>

/** Streams the results of a batch in the requested format. */
export const resultsReply = (queries: Queries, { run, facts }: FoundBatch, { format, page, limit }: Query): Reply => {
  const { total } = facts
  const read: Read = (from, before) => resultsOf(queries, run, { from, before: Math.min(before, total) })
  if (format === 'json') {
    const from = (page - 1) * limit
    const tail = { total, page, limit, has_more: from + limit < total }
    const opening = `{"batch_id":${JSON.stringify(run.trajectory_id)},"results":`
    const closing = `,${JSON.stringify(tail).slice(1)}`
    return new Reply(textStream(listText(opening, read(from, from + limit), closing)), jsonHeaders)
  }
  return bytes(textStream(format === 'csv' ? csvText(read, total) : linesText(read(0, total))), {
    'content-type': tableTypes[format],
    'content-disposition': `attachment; filename="batch-${run.trajectory_id}.${format}"`,
    'cache-control': 'no-store',
  })
}

async function* linesText(results: AsyncGenerator<BatchResult>): AsyncGenerator<string> {
  for await (const result of results) yield `${JSON.stringify(result)}\n`
}

async function* csvText(read: Read, total: number): AsyncGenerator<string> {
  const columns = await columnsOf(read(0, sampledResults), total)
  const rowOf = makeTableRow(columns)
  yield tableHead(columns)
  for await (const result of read(0, total)) yield rowOf(result)
}
