#' The other functions of package parallel
#'
#' These are package parallel's own functions, exported again so that `library(multiprocessing)` can
#' take the place of `library(parallel)` in a script. Their documentation is in parallel: see
#' [parallel::detectCores()], [parallel::makeCluster()], [parallel::clusterApply()],
#' [parallel::nextRNGStream()], [parallel::splitIndices()], [parallel::mcaffinity()].
#'
#' [mclapply()], [mcmapply()], [mcMap()], [pvec()], [mcparallel()], [mccollect()] and
#' [mc.reset.stream()] are this package's own.
#'
#' @name parallel-functions
#' @aliases clusterApply clusterApplyLB clusterCall clusterEvalQ clusterExport clusterMap clusterSetRNGStream clusterSplit
#'   detectCores getDefaultCluster makeCluster makeForkCluster makePSOCKcluster mcaffinity nextRNGStream nextRNGSubStream
#' parApply parCapply parLapply parLapplyLB parRapply parSapply parSapplyLB setDefaultCluster
#' splitIndices stopCluster closeNode recvData recvOneData registerClusterType sendData
#' @returns See the pages of package parallel.
#' @seealso [mclapply()] and the other functions that this package has of its own.
#' @concept cluster
#' @concept detectCores
#' @examples
#' detectCores()
#' splitIndices(10, 3)
#' @keywords internal
#' @importFrom parallel clusterApply clusterApplyLB clusterCall clusterEvalQ clusterExport clusterMap clusterSetRNGStream
#'   clusterSplit detectCores getDefaultCluster makeCluster makeForkCluster makePSOCKcluster mcaffinity nextRNGStream
#' nextRNGSubStream parApply parCapply parLapply parLapplyLB parRapply parSapply parSapplyLB
#' setDefaultCluster splitIndices stopCluster
#' @export clusterApply clusterApplyLB clusterCall clusterEvalQ clusterExport clusterMap clusterSetRNGStream
#' @export clusterSplit detectCores getDefaultCluster makeCluster makeForkCluster makePSOCKcluster mcaffinity
#' @export nextRNGStream nextRNGSubStream parApply parCapply parLapply parLapplyLB parRapply parSapply parSapplyLB
#' @export setDefaultCluster splitIndices stopCluster
#' @rawNamespace
#' if ("registerClusterType" %in% getNamespaceExports("parallel")) {
#'   importFrom(parallel, registerClusterType)
#'   export(registerClusterType)
#' }
#' if ("closeNode" %in% getNamespaceExports("parallel")) {
#'   importFrom(parallel, closeNode, recvData, recvOneData, sendData)
#'   export(closeNode, recvData, recvOneData, sendData)
#' }
NULL
