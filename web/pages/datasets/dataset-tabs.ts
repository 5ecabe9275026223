import type { Dataset } from '../../../src/model/data/dataset.ts'
/** The tabs of a dataset, in their order. The first one is the page without a parameter. */
export const datasetTabs = [
  ['items', 'Items'],
  ['files', 'Files'],
  ['results', 'Results'],
  ['versions', 'Versions'],
  ['lineage', 'Lineage'],
  ['metadata', 'Metadata'],
] as const

export type DatasetTab = (typeof datasetTabs)[number][0]

interface DatasetSearch {
  tab?: DatasetTab
  item?: string
  split?: string
  version?: string
  task?: string
  state?: string
}

/** Reads the tab from the parameters of the page. */
export const readDatasetTab = (value: unknown): DatasetTab =>
  datasetTabs.find(([name]) => name === value)?.[0] ?? 'items'

/** The search parameters of the page of a dataset. */
export const datasetSearch = (search: Record<string, unknown>): DatasetSearch => {
  const tab = readDatasetTab(search.tab)
  const texts = ['item', 'split', 'version', 'task', 'state'].flatMap((name) => {
    const value = search[name]
    return typeof value === 'string' && value !== '' ? [[name, value] as const] : []
  })
  return { ...(tab === 'items' ? {} : { tab }), ...Object.fromEntries(texts) }
}

/** What each tab of a dataset is given. */
export interface DatasetProps {
  collection: string
  dataset: Dataset
}
