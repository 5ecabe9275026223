import type { z } from 'zod'
import { bytes, jsonHeaders, Reply, tableTypes } from '../../http/reply.ts'
import { listText, textStream } from '../../http/text-stream.ts'
import type { BatchResult } from '../../model/runs/batch.ts'
import type { Queries } from '../../store/database/database.ts'
import { parquetStream, parquetType } from '../items/parquet-export.ts'
import type { batchesContract } from './contract.ts'
import type { FoundBatch } from './facts.ts'
import { columnsOf, makeTableRow, sampledResults, tableHead } from './result-table.ts'
import { resultsOf } from './results.ts'

type Query = z.output<typeof batchesContract.getBatchResults.query>
type Read = (from: number, before: number) => AsyncGenerator<BatchResult>

/** Streams the results of a batch in the requested format. */
export const resultsReply = (queries: Queries, batch: FoundBatch, { format, page, limit }: Query): Reply => {
  const { run, facts } = batch
  const { total } = facts
  const read: Read = (from, before) => resultsOf(queries, batch, { from, before: Math.min(before, total) })
  if (format === 'json') {
    const from = (page - 1) * limit
    const tail = { total, page, limit, has_more: from + limit < total }
    const opening = `{"batch_id":${JSON.stringify(run.trajectory_id)},"results":`
    const closing = `,${JSON.stringify(tail).slice(1)}`
    return new Reply(textStream(listText(opening, read(from, from + limit), closing)), jsonHeaders)
  }
  const headers = {
    'content-disposition': `attachment; filename="batch-${run.trajectory_id}.${format}"`,
    'cache-control': 'no-store',
  }
  if (format === 'parquet')
    return bytes(
      parquetStream(() => read(0, total), []),
      { ...headers, 'content-type': parquetType },
    )
  return bytes(textStream(format === 'csv' ? csvText(read, total) : linesText(read(0, total))), {
    ...headers,
    'content-type': tableTypes[format],
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
