/** Says which task a tab is about. */
export interface TaskPlaceProps {
  collection: string
  task: string
}
